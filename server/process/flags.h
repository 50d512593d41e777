// What the server is told on its command line.
#ifndef MIND_SERVER_PROCESS_FLAGS_H_
#define MIND_SERVER_PROCESS_FLAGS_H_

#include <string>

#include "absl/time/time.h"
#include "proto/support/byte_count.h"

namespace mind::server {

struct Flags {
  std::string listen = "127.0.0.1:8080";
  std::string listen_workers;
  std::string http;
  std::string http_origins;
  std::string http_url;
  std::string webhooks;
  std::string webhook_secret_file;
  std::string metrics = "127.0.0.1:9090";
  std::string tls_cert;
  std::string tls_key;
  std::string tls_client_ca;
  bool tls_client_required = true;
  std::string tls_worker_ca;
  std::string cluster_cert;
  std::string cluster_key;
  std::string cluster_ca;
  std::string keys;
  bool open = false;
  std::string audit;
  bool audit_prompts = false;
  std::string moderation;
  std::string moderation_ca;
  absl::Duration moderation_timeout = absl::Seconds(5);
  bool moderation_open = false;
  std::string data = "data";
  std::string store;
  std::string blobs;
  std::string s3_endpoint;
  std::string s3_region;
  std::string s3_ca;
  ByteCount blobs_above{64 << 10};
  std::string cluster = "127.0.0.1:0";
  int max_queue = 1000;
  ByteCount max_queue_bytes{1 << 30};
  ByteCount max_disk_bytes{0};
  absl::Duration max_wait = absl::Hours(1);
  absl::Duration lease = absl::Seconds(10);
  absl::Duration leader_lease = absl::Seconds(5);
  absl::Duration stall = absl::Seconds(60);
  absl::Duration checkpoint_interval = absl::Seconds(10);
  absl::Duration keep = absl::Hours(24);
  absl::Duration grace = absl::Seconds(10);
};

// Ends the program where they are wrong, or ask for help.
Flags ParseFlags(int argc, char** argv);

}  // namespace mind::server

#endif  // MIND_SERVER_PROCESS_FLAGS_H_
