# How the parts are connected: topology.yaml, which a local stack is connected by too.

locals {
  connections = yamldecode(file("${path.module}/topology.yaml"))

  # What this deployment has of what one may do without: `when` in topology.yaml, or in a table of this plan, names one.
  parts = concat(["always"], var.msa_server == null ? [] : ["msa_server"])

  # Without what is not deployed.
  topology = merge(local.connections, {
    topics        = { for name, topic in local.connections.topics : name => topic if contains(local.parts, try(topic.when, "always")) }
    subscriptions = { for name, subscription in local.connections.subscriptions : name => subscription if contains(local.parts, try(subscription.when, "always")) }
  })

  # Which identity calls a function: Eventarc a trigger's, Pub/Sub a subscription's, Cloud Scheduler a schedule's.
  callers = merge(
    { for trigger in local.topology.triggers : trigger.push => "eventarc" },
    { for subscription in local.topology.subscriptions : subscription.push => "push" if can(subscription.push) },
    { for schedule in local.topology.schedules : schedule.push => "scheduler" },
  )

  # What names begin with that would be another environment's too.
  prefix = var.alone ? "" : "${var.name}-"
  bucket = coalesce(var.bucket_prefix, var.alone ? var.project : "${var.project}-${var.name}")

  # By name, not from their resources: those need the functions' addresses, and some functions these names.
  work   = "${local.prefix}work"
  launch = "${local.prefix}launch"
  pages  = "${local.prefix}pages"
}
