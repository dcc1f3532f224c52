terraform {
  required_version = ">= 1.5"

  # The bucket is named at init: docs/operations.md.
  backend "gcs" {}

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.50"
    }
    # Packs the staged source of the functions.
    archive = {
      source  = "hashicorp/archive"
      version = "~> 2.7"
    }
    # Stages it.
    external = {
      source  = "hashicorp/external"
      version = "~> 2.3"
    }
  }
}

provider "google" {
  project = var.project
  region  = var.region
  # Budgets and quotas are asked of the project that is deployed, not of the one that a person's credentials name.
  user_project_override = true
  billing_project       = var.project
}

# Data sources wait for no resource of the plan: whatever it changes, what they say is known when it is made. Else
# each grant to an agent of Google's would be taken away and given again. docs/operations.md enables what they ask.
data "google_project" "this" {}
