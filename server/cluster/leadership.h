// What a front does while it leads: opens the store for its term, takes up the jobs, and serves; and lets go
// of all of it when the term is over.
//
// Taking up takes time in proportion to what waits: it is done away from the loop, so that the leader is
// heard meanwhile. Letting go drops everything at once: nothing that was posted for that service runs any
// more, and the store is closed elsewhere, because it may be waiting for a database that does not answer.
//
// All on the server's loop but for that; not thread-safe.
#ifndef MIND_SERVER_CLUSTER_LEADERSHIP_H_
#define MIND_SERVER_CLUSTER_LEADERSHIP_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/cluster/gate.h"
#include "server/cluster/leader_seat.h"
#include "server/generation/service.h"
#include "server/store/job_store.h"

namespace mind::server {

class Leadership {
 public:
  // May wait for the database.
  using OpenStore = std::function<absl::StatusOr<std::unique_ptr<JobStore>>(uint64_t term)>;
  // Has it done elsewhere, in order; a test may have it done at once.
  using Elsewhere = std::function<void(std::function<void()>)>;

  struct Options {
    ServiceOptions service;  // `post` is the loop
    OpenStore open;
    Elsewhere elsewhere;
    // The term cannot be led any more. Told on the loop, not from within the service.
    std::function<void(uint64_t term, const std::string& why)> lost;
    // Whether new jobs are taken, while this front leads. Told on the loop.
    std::function<void(bool)> serving = [](bool) {};
  };

  // All must outlive it.
  Leadership(Options options, ServerMetrics& metrics, LeaderSeat& seat)
      : options_(std::move(options)), metrics_(metrics), seat_(seat) {}
  ~Leadership() { End(); }

  // REQUIRES: none has begun.
  void Begin(uint64_t term);
  void End();
  void OnTick();
  // The leader hears nothing from the database.
  void OnFrozen();

 private:
  // One term.
  struct Reign {
    explicit Reign(const Post& loop) : gate(loop) {}

    uint64_t term = 0;
    std::unique_ptr<JobStore> store;
    std::unique_ptr<GenerationService> service;
    Gate gate;  // of the service: closed before it goes
    bool serves = false;
  };

  // Elsewhere.
  absl::Status Prepare(Reign& reign) const;
  void Serve(const std::shared_ptr<Reign>& reign, const absl::Status& prepared);

  const Options options_;
  ServerMetrics& metrics_;
  LeaderSeat& seat_;
  std::shared_ptr<Reign> reign_;  // null: does not lead
};

}  // namespace mind::server

#endif  // MIND_SERVER_CLUSTER_LEADERSHIP_H_
