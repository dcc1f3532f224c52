# How the parts are connected: topology.yaml, which a local stack is connected by too.

locals {
  topology = yamldecode(file("${path.module}/topology.yaml"))

  # Which identity calls a function: Eventarc a trigger's, Pub/Sub a subscription's, Cloud Scheduler a schedule's.
  callers = merge(
    { for trigger in local.topology.triggers : trigger.push => "eventarc" },
    { for subscription in local.topology.subscriptions : subscription.push => "push" if can(subscription.push) },
    { for schedule in local.topology.schedules : schedule.push => "scheduler" },
  )

  # By name, not from their resources: those need the functions' addresses, and some functions these names.
  work  = "work"
  pages = "pages"
}
