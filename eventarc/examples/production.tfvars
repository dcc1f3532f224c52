project = "my-project"
region  = "europe-west1"
image   = "europe-west1-docker.pkg.dev/my-project/dropfold/worker@sha256:0000000000000000000000000000000000000000000000000000000000000000"

max_workers     = 3
jobs_per_worker = 10

uploaders         = ["group:structures@example.com"]
keep_inputs_days  = 90
keep_outputs_days = 365

# The letters of proteins that name no MSA are sent there. Without it nothing is sent, and files without MSA are rejected.
msa_server = {
  url        = "https://msa.example.com"
  database   = "uniref30_2302+envdb_202108"
  contact    = "structures@example.com"
  key_secret = "msa-key"
}
keep_alignments_days = 180

# Logs in the region, and workers that reach Google's APIs alone.
keep_logs_days = 30
closed_network = true

webhook = {
  url    = "https://structures.example.com/dropfold"
  filter = "attributes.state = \"FAILED\" OR attributes.state = \"SUCCEEDED\""
}

alert_emails    = ["on-call@example.com"]
runbook         = "https://wiki.example.com/dropfold/operations"
billing_account = "0X0X0X-0X0X0X-0X0X0X"
budget          = 800
