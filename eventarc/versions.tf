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

data "google_project" "this" {
  depends_on = [google_project_service.api]
}
