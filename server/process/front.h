// The core of one front of several, which share a store: whichever leads decides, and each serves.
//
//   faces ──► LeaderClient ─┐                        ┌─► LeaderSeat ─► GenerationService, while this one
//   leads workers ► WorkerRelay ──┴─► the leader's cluster ┘
//                               port, maybe its own
//
// Its own port is reached without the network, so that there is one path, whoever leads.
#ifndef MIND_SERVER_PROCESS_FRONT_H_
#define MIND_SERVER_PROCESS_FRONT_H_

#include <grpcpp/grpcpp.h>
#include <prometheus/gauge.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/api/generation_api.h"
#include "server/api/worker_api.h"
#include "server/cluster/campaign.h"
#include "server/cluster/cluster_api.h"
#include "server/cluster/front_authority.h"
#include "server/cluster/in_flight.h"
#include "server/cluster/leader_client.h"
#include "server/cluster/leader_seat.h"
#include "server/cluster/leadership.h"
#include "server/cluster/worker_relay.h"
#include "server/process/core.h"
#include "server/process/door.h"
#include "server/store/job_reader.h"
#include "server/store/job_store.h"
#include "server/store/task_thread.h"
#include "server/store/term_store.h"

namespace mind::server {

class Front : public Core, private Campaign::Candidate {
 public:
  struct Options {
    std::string cluster;  // HOST:PORT that the other fronts reach this one by; port 0 picks a free one
    Authority* authority = nullptr;  // who may be a worker. REQUIRES: set; it must outlive the front
    absl::Duration lease = absl::Seconds(5);
    ServiceOptions service;
    // What all of them share.
    std::shared_ptr<JobReader> store;
    std::shared_ptr<TermStore> terms;
    // Told on the loop: what all of them share is there, and cannot be used.
    std::function<void(const absl::Status& why)> refused = [](const absl::Status&) {};
    // For a term that this front has taken by that name. May wait for the database.
    std::function<absl::StatusOr<std::unique_ptr<JobStore>>(uint64_t term, const std::string& holder)>
        open_store;
    // What is said on cluster ports; null: plain, on loopback addresses alone.
    std::shared_ptr<grpc::ServerCredentials> listens_with;
    std::shared_ptr<grpc::ChannelCredentials> dials_with;
    // Which worker a stream to this front is of.
    IdentifyWorker identify_worker;
  };

  // Listens on its cluster port; has no part in the election before its first tick. `metrics` must
  // outlive it.
  static absl::StatusOr<std::unique_ptr<Front>> Start(const Options& options, ServerMetrics& metrics);

  Generation& generation() override { return client_; }
  grpc::Service& workers() override { return relay_; }
  void OnTick() override;
  void OnServingChange(std::function<void(bool)> tell) override;
  // Another front may lead at once.
  void WindDown() override;
  bool busy() const override { return !retired_ || client_.watchers() > 0; }
  void CloseCalls() override;
  void Join() override;

 private:
  struct Announcement;

  Front(const Options& options, ServerMetrics& metrics);
  absl::Status Listen();

  // Campaign::Candidate.
  void Lead(uint64_t term) override;
  void StepDown(uint64_t term, const std::string& why) override;
  void Follow(uint64_t term, const std::string& address) override;
  void Refused(const absl::Status& why) override { options_.refused(why); }

  void PointTo(LeaderLinkPtr leader);
  // Tells who has led so far that another term has begun: it may have been cut off from the database.
  void Announce(const LeaderLinkPtr& to, uint64_t term, const std::string& address);
  void TellServing();

  const Options options_;
  const std::string name_;  // of this process, and of no other
  std::string address_;     // of its cluster port
  TaskThread elsewhere_;
  ServerMetrics& metrics_;
  prometheus::Gauge& leads_;
  LeaderSeat seat_;
  Leadership leadership_;
  LeaderClient client_;
  WorkerRelay relay_;
  LeaderLinkPtr leader_;
  bool leader_serves_ = true;  // while it is this front
  bool winding_down_ = false;
  bool retired_ = false;
  std::function<void(bool)> tell_serving_;
  std::vector<std::weak_ptr<Announcement>> announcements_;  // under way, and some that are over
  InFlight announcing_;
  std::unique_ptr<Campaign> campaign_;  // set by Start

  // The cluster port.
  FrontAuthority fronts_;
  GenerationApi questions_;
  WorkerApi streams_;
  ClusterApi cluster_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Door> door_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_PROCESS_FRONT_H_
