// TLS of a server process: what its ports show, whom they let in, and how it dials other servers.
#ifndef MIND_SERVER_PROCESS_SERVER_TLS_H_
#define MIND_SERVER_PROCESS_SERVER_TLS_H_

#include <grpcpp/grpcpp.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "proto/support/certificate_judge.h"
#include "proto/support/labelled_metric.h"
#include "proto/support/tls_identity.h"
#include "server/api/worker_identity.h"
#include "server/http/http_tls.h"
#include "server/process/flags.h"

namespace mind::server {

// Thread-safe. A thread of its own reads certificates again when their files change, once a second.
class ServerTls {
 public:
  // INVALID_ARGUMENT names the flag that is wrong.
  static absl::StatusOr<std::unique_ptr<ServerTls>> Open(
      const Flags& flags, const std::shared_ptr<prometheus::Registry>& registry);
  ~ServerTls();

  // Of --listen, --listen-workers, --cluster, for each port anew.
  std::shared_ptr<grpc::ServerCredentials> ForClients() const;
  std::shared_ptr<grpc::ServerCredentials> ForWorkers() const;
  std::shared_ptr<grpc::ServerCredentials> ForServers() const;
  // Of --http.
  HttpTls ForHttp() const;

  // How the cluster ports of other servers are dialled.
  const std::shared_ptr<grpc::ChannelCredentials>& to_servers() const { return to_servers_; }
  bool encrypts_cluster() const { return cluster_judge_ != nullptr; }
  // Which worker a stream to this process is of.
  IdentifyWorker workers() const;

 private:
  explicit ServerTls(const std::shared_ptr<prometheus::Registry>& registry);
  absl::Status Read(const Flags& flags);
  absl::Status ReadIdentity(const char* flag, const std::string& certificate, const std::string& key,
                            std::shared_ptr<TlsIdentity>& identity);
  void Watch() ABSL_LOCKS_EXCLUDED(mutex_);
  void ShowExpiry();
  void Refused(const absl::Status& status) const ABSL_LOCKS_EXCLUDED(mutex_);
  std::shared_ptr<grpc::ServerCredentials> Credentials(const std::shared_ptr<TlsIdentity>& identity,
                                                       const std::shared_ptr<CertificateJudge>& judge,
                                                       bool required, bool servers_only) const;

  std::shared_ptr<TlsIdentity> identity_, cluster_identity_;                       // null: that port is plain
  std::shared_ptr<CertificateJudge> client_judge_, worker_judge_, cluster_judge_;  // null: none is asked for
  bool client_required_ = true;
  bool workers_apart_ = false;  // they have a port of their own
  std::shared_ptr<grpc::ChannelCredentials> to_servers_ = grpc::InsecureChannelCredentials();

  prometheus::Family<prometheus::Gauge>& expiry_;
  mutable LabelledCounter refusals_;  // reason
  mutable absl::Mutex mutex_;
  mutable std::map<std::string, absl::Time> told_ ABSL_GUARDED_BY(mutex_);  // when, of refusals by reason
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread watch_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_PROCESS_SERVER_TLS_H_
