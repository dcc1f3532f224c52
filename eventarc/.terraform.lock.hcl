# The versions that are deployed with. `terraform init` adds the digests for your platform: keep them.

provider "registry.terraform.io/hashicorp/archive" {
  version     = "2.7.1"
  constraints = "~> 2.7"
}

provider "registry.terraform.io/hashicorp/external" {
  version     = "2.3.5"
  constraints = "~> 2.3"
}

provider "registry.terraform.io/hashicorp/google" {
  version     = "6.50.0"
  constraints = "~> 6.50"
}
