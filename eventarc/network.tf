# A network without a way out, for what predicts (var.closed_network): Google's APIs can be reached from it, and nothing
# else, since it has neither public addresses nor a NAT. on_align is outside: it talks to the MSA server.

resource "google_compute_network" "closed" {
  count = var.closed_network ? 1 : 0

  name                    = "${var.name}-closed"
  description             = "Workers and service: Google's APIs and nothing else."
  auto_create_subnetworks = false

  depends_on = [google_project_service.api]
}

resource "google_compute_subnetwork" "closed" {
  count = var.closed_network ? 1 : 0

  name                     = "${var.name}-closed"
  network                  = google_compute_network.closed[0].id
  region                   = var.region
  ip_cidr_range            = "10.8.0.0/22" # four addresses for each worker that lives, and for a while after
  private_ip_google_access = true
}
