#!/bin/sh
# Give the subscription that Eventarc made for a trigger the delivery that topology.yaml asks for.
set -eu
attempts="${MAX_DELIVERY_ATTEMPTS:-10}"
retention="${RETENTION:-604800}"
gcloud pubsub subscriptions update "$SUBSCRIPTION" \
  --project="$PROJECT" \
  --dead-letter-topic="$DEAD_LETTER_TOPIC" \
  --max-delivery-attempts="$attempts" \
  --min-retry-delay="${MINIMUM_BACKOFF}s" \
  --max-retry-delay="${MAXIMUM_BACKOFF}s" \
  --ack-deadline="$ACK_DEADLINE" \
  --message-retention-duration="${retention}s"
