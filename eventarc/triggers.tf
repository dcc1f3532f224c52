# Events of the input bucket, by Eventarc, as topology.yaml says. docs/decisions/007 says why a script finishes them.

locals {
  buckets = {
    input  = google_storage_bucket.input.name
    output = google_storage_bucket.output.name
  }
}

resource "google_eventarc_trigger" "trigger" {
  for_each = local.topology.triggers

  name                    = "${var.name}-${each.key}"
  location                = var.region
  service_account         = google_service_account.identity["eventarc"].email
  event_data_content_type = "application/json"

  matching_criteria {
    attribute = "type"
    value     = each.value.event
  }

  matching_criteria {
    attribute = "bucket"
    value     = local.buckets[each.value.bucket]
  }

  destination {
    cloud_run_service {
      service = google_cloudfunctions2_function.function[each.value.push].name
      region  = var.region
    }
  }

  depends_on = [
    google_cloud_run_v2_service_iam_member.call,
    terraform_data.rights_hold,
  ]
}

locals {
  # Of the subscription that Eventarc has made for each trigger, the last part of its name.
  transports = {
    for name, trigger in google_eventarc_trigger.trigger :
    name => element(split("/", trigger.transport[0].pubsub[0].subscription), -1)
  }
}

# Eventarc drops what could not be delivered for a day, and its trigger has no argument for a dead letter.
resource "terraform_data" "delivery" {
  for_each = local.topology.triggers

  triggers_replace = [local.transports[each.key], each.value]

  provisioner "local-exec" {
    command = "${path.module}/trigger_delivery.sh"
    environment = {
      PROJECT               = var.project
      SUBSCRIPTION          = local.transports[each.key]
      DEAD_LETTER_TOPIC     = google_pubsub_topic.topic[each.value.dead_letter_topic].name
      MAX_DELIVERY_ATTEMPTS = each.value.max_delivery_attempts
      MINIMUM_BACKOFF       = each.value.minimum_backoff
      MAXIMUM_BACKOFF       = each.value.maximum_backoff
      ACK_DEADLINE          = each.value.ack_deadline
      RETENTION             = each.value.retention
    }
  }
}

data "google_pubsub_subscription" "transport" {
  for_each = local.transports

  name       = each.value
  depends_on = [terraform_data.delivery]
}

# Whoever changes the subscription by hand is told at the next plan.
check "trigger_delivery" {
  assert {
    condition = alltrue([
      for name, subscription in data.google_pubsub_subscription.transport :
      length(subscription.dead_letter_policy) == 1
    ])
    error_message = "A trigger's subscription has no dead letter, so Eventarc would drop events after a day: terraform apply -replace='terraform_data.delivery[\"upload\"]' -replace='terraform_data.delivery[\"delete\"]'"
  }
}
