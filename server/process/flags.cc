#include "server/process/flags.h"

#include "proto/support/flag_types.h"

namespace mind::server {
namespace {

void AddTlsFlags(CLI::App& app, Flags& flags) {
  AddText(
      app, "--tls-cert", flags.tls_cert, "FILE",
      "TLS at --listen, --listen-workers and --http: the certificate, in PEM, with those between it and its "
      "authority. Files of certificates are read again when they change");
  AddText(app, "--tls-key", flags.tls_key, "FILE", "The private key of --tls-cert, in PEM");
  AddText(app, "--tls-client-ca", flags.tls_client_ca, "FILE",
          "Whoever dials shows a certificate by one of these authorities (PEM); a worker's has a URI that "
          "ends in "
          "/worker/NAME, with the name it works by: spiffe://studio.example/mind/worker/NAME");
  AddSwitch(app, "--tls-client-required", flags.tls_client_required,
            "With --tls-client-ca: refuse those without a certificate. If not, only bad ones are");
  AddText(app, "--tls-worker-ca", flags.tls_worker_ca, "FILE",
          "As --tls-client-ca, for --listen-workers, where none are let in without; if left out, that of "
          "--tls-client-ca");
}

void AddObjectFlags(CLI::App& app, Flags& flags) {
  AddText(
      app, "--blobs", flags.blobs, "URL",
      "Large pictures are put into a bucket of an S3 endpoint, by workers themselves where they reach it: "
      "s3://BUCKET/PREFIX. The key is in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, if it is lent, "
      "AWS_SESSION_TOKEN. If left out they lie in --data, or in the database");
  AddText(
      app, "--s3-endpoint", flags.s3_endpoint, "URL",
      "With --blobs: http://HOST:PORT or https://HOST:PORT. If left out, what AWS_ENDPOINT_URL_S3 says, or "
      "AWS's own of the region");
  AddText(app, "--s3-region", flags.s3_region, "NAME", "With --blobs: if left out, what AWS_REGION says");
  AddText(app, "--s3-ca", flags.s3_ca, "FILE",
          "With --blobs: the authorities that the endpoint's certificate is by, in PEM; if left out, those "
          "that the system knows");
  AddByteCount(
      app, "--blobs-above", flags.blobs_above,
      "With --blobs: pictures of so many bytes or fewer lie in the job store all the same, where they "
      "cost less");
}

void AddModerationFlags(CLI::App& app, Flags& flags) {
  AddText(app, "--moderation", flags.moderation, "HOST:PORT",
          "A service of yours that says which prompts and pictures are allowed (mind.v1.ModerationService); "
          "previews are not shown then. Must be a loopback address, unless --moderation-ca is given");
  AddText(app, "--moderation-ca", flags.moderation_ca, "FILE",
          "TLS to --moderation: the authorities that its certificate may be by, in PEM");
  AddDuration(
      app, "--moderation-timeout", flags.moderation_timeout, absl::Milliseconds(10), absl::Seconds(30),
      "How long --moderation has for an answer, from the question on; below --stall, and 8s at most with "
      "--store");
  AddSwitch(app, "--moderation-open", flags.moderation_open,
            "What --moderation does not answer in time is allowed. If not, it is refused");
}

}  // namespace

Flags ParseFlags(int argc, char** argv) {
  const absl::Duration longest = absl::Hours(24 * 36500);
  Flags flags;
  CLI::App app("Takes picture requests over gRPC, queues them, and has workers run them.");
  SetUpCommandLine(app);
  AddText(app, "--listen", flags.listen, "HOST:PORT", "For clients and workers; port 0 picks a free one");
  AddText(app, "--listen-workers", flags.listen_workers, "HOST:PORT",
          "For workers, who then have no place at --listen; port 0 picks a free one");
  AddText(app, "--http", flags.http, "HOST:PORT",
          "For the page and the APIs over HTTP: OpenAI's Images API, JSON, events; port 0 picks a free one. "
          "If left "
          "out there is none");
  AddText(app, "--http-origins", flags.http_origins, "ORIGINS",
          "Origins of other web pages that may use the APIs over HTTP, with commas between "
          "(https://studio.example); *: any");
  AddText(app, "--http-url", flags.http_url, "URL",
          "How callers reach --http, for links to it: https://pictures.example. If left out, the "
          "host that they name");
  AddText(app, "--webhooks", flags.webhooks, "ORIGINS",
          "Origins that may be told of jobs' ends, with commas between (https://studio.example); if left out "
          "there "
          "are none");
  AddText(
      app, "--webhook-secret-file", flags.webhook_secret_file, "FILE",
      "What webhooks are signed with: a line whsec_ and base64; two while one takes the place of the other");
  AddText(app, "--metrics", flags.metrics, "HOST:PORT", "For /metrics; port 0 picks a free one");
  AddTlsFlags(app, flags);
  AddText(
      app, "--keys", flags.keys, "FILE",
      "Only who has a key is let in: those of this file, which `mind keys create --file FILE` makes and "
      "which is read again when it changes, and those of the job store (`mind keys`). If left out everybody "
      "is, and may do everything; then only loopback addresses are served");
  AddSwitch(app, "--open", flags.open,
            "Without --keys: serve other addresses than loopback all the same. Whoever reaches them may make "
            "pictures for any tenant, see all jobs and be a worker");
  AddText(app, "--audit", flags.audit, "FILE",
          "Gets a line of JSON for each job that is accepted, ends, is cancelled or deleted, each change of "
          "a key "
          "and each call that is not let in; if left out nothing keeps them");
  AddSwitch(app, "--audit-prompts", flags.audit_prompts, "Prompts are in it as well");
  AddModerationFlags(app, flags);
  AddText(app, "--data", flags.data, "DIR",
          "Holds the job store, where --store names no other; created if missing");
  AddText(app, "--store", flags.store, "URL",
          "A PostgreSQL database that holds the job store instead: postgresql://HOST/DATABASE. Several "
          "servers may "
          "share it. If left out the store is a file in --data");
  AddObjectFlags(app, flags);
  AddText(app, "--cluster", flags.cluster, "HOST:PORT",
          "Where other servers on the same PostgreSQL reach this one; port 0 picks a free one. Must be a "
          "loopback address, unless --cluster-ca is given");
  AddText(
      app, "--cluster-ca", flags.cluster_ca, "FILE",
      "TLS among servers: the authorities that their certificates are by, in PEM. Both ends show one, with a "
      "URI that ends in /server: spiffe://studio.example/mind/server");
  AddText(app, "--cluster-cert", flags.cluster_cert, "FILE",
          "With --cluster-ca: the certificate to show to other servers; if left out, that of --tls-cert");
  AddText(app, "--cluster-key", flags.cluster_key, "FILE", "The private key of --cluster-cert, in PEM");
  AddDuration(app, "--leader-lease", flags.leader_lease, absl::Milliseconds(500), absl::Hours(1),
              "Of several servers on one PostgreSQL: when the one that leads has not been heard for so long, "
              "another does");
  AddNumber(app, "--max-queue", flags.max_queue, 0, 10'000'000, "Jobs that may wait; one more is refused");
  AddByteCount(
      app, "--max-queue-bytes", flags.max_queue_bytes,
      "Bytes that jobs which have not ended may have brought, prompts and pictures; one more is refused");
  AddByteCount(
      app, "--max-disk-bytes", flags.max_disk_bytes,
      "Bytes that jobs and their pictures may take up in --data; from there on new jobs are refused. 0: any "
      "number");
  AddDuration(app, "--max-wait", flags.max_wait, absl::ZeroDuration(), longest,
              "A job that would wait longer is refused");
  AddDuration(app, "--lease", flags.lease, absl::Milliseconds(100), absl::Hours(1),
              "A worker silent for longer is lost");
  AddDuration(
      app, "--stall", flags.stall, absl::Seconds(1), absl::Hours(24),
      "A picture that has begun and has not moved for so long, nor for twenty of its steps, is made by "
      "another worker");
  AddDuration(app, "--checkpoint-interval", flags.checkpoint_interval, absl::ZeroDuration(), absl::Hours(24),
              "With --store: how often the state of a picture that is being made is kept there, at most; 0: "
              "never");
  AddDuration(app, "--keep", flags.keep, absl::ZeroDuration(), longest,
              "How long ended jobs and their pictures are kept");
  AddDuration(app, "--grace", flags.grace, absl::ZeroDuration(), absl::Hours(24),
              "After SIGTERM: how long running jobs may still finish; the others go on after a restart. A "
              "second SIGTERM ends the program at once");
  GiveTwins(app);
  ParseCommandLine(app, argc, argv);
  return flags;
}

}  // namespace mind::server
