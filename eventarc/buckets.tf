# Three buckets: what is dropped, what comes back, and what can be made again; with an MSA server a fourth, of what
# it answered. None is public, none versioned: with versioning an overwrite would raise no delete event
# (docs/decisions/005).

locals {
  week = 7 * 24 * 3600
}

# Names are global, so they begin with the project's, or with what var.bucket_prefix says.
resource "google_storage_bucket" "input" {
  name                        = "${local.bucket}-in"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.deletion_protection

  soft_delete_policy {
    retention_duration_seconds = local.week
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age = var.keep_inputs_days
    }
  }

  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 1
    }
  }

  depends_on = [google_project_service.api]
}

resource "google_storage_bucket" "output" {
  name                        = "${local.bucket}-out"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.deletion_protection

  soft_delete_policy {
    retention_duration_seconds = local.week
  }

  lifecycle_rule {
    action {
      type          = "SetStorageClass"
      storage_class = "NEARLINE"
    }
    condition {
      age                   = 30
      matches_storage_class = ["STANDARD"]
    }
  }

  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 1
    }
  }

  dynamic "lifecycle_rule" {
    for_each = var.keep_outputs_days == null ? [] : [var.keep_outputs_days]
    content {
      action {
        type = "Delete"
      }
      condition {
        age = lifecycle_rule.value
      }
    }
  }

  depends_on = [google_project_service.api]
}

# The functions' packed source, under functions/; weights that images are baked from, under weights/.
resource "google_storage_bucket" "cache" {
  name                        = "${local.bucket}-cache"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true

  soft_delete_policy {
    retention_duration_seconds = 0
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age            = 180
      matches_prefix = ["functions/"]
    }
  }

  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 1
    }
  }

  depends_on = [google_project_service.api]
}

# Alignments, which the MSA server would make again: their own bucket, so that nobody who uploads writes what others'
# predictions are made from. Where var.msa_server is taken away, it goes, whatever is in it.
resource "google_storage_bucket" "alignments" {
  count = var.msa_server == null ? 0 : 1

  name                        = "${local.bucket}-alignments"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true

  soft_delete_policy {
    retention_duration_seconds = 0
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age = var.keep_alignments_days
    }
  }

  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 1
    }
  }

  depends_on = [google_project_service.api]
}
