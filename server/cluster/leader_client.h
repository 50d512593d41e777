// What a front's faces ask, of whoever leads: the leader itself, over its cluster port, or the store, for
// what no longer changes.
//
// Nobody who asks here has to know who leads, or that it has changed. Questions wait for a leader and are
// asked again of the next (LeaderCalls). Of each job that is watched here one stream comes from the leader,
// however many watch it, into a feed of this front's own; when the leader is lost the feed stays, and the
// next leader is asked for what comes after it. Pictures are read from the store.
//
// A front that leads asks itself in the same way, through its own port without the network: there is one
// path, and a change of leader moves nobody's watch.
//
// All on the server's loop; not thread-safe.
#ifndef MIND_SERVER_CLUSTER_LEADER_CLIENT_H_
#define MIND_SERVER_CLUSTER_LEADER_CLIENT_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "server/cluster/gate.h"
#include "server/cluster/in_flight.h"
#include "server/cluster/leader_calls.h"
#include "server/cluster/leader_link.h"
#include "server/cluster/upstream_watch.h"
#include "server/dispatch/due_times.h"
#include "server/dispatch/moment.h"
#include "server/generation/event_source.h"
#include "server/generation/generation.h"
#include "server/generation/metrics.h"
#include "server/store/job_reader.h"
#include "server/store/task_thread.h"

namespace mind::server {

class LeaderClient : public Generation {
 public:
  struct Options {
    std::string front;  // names this process
    Post post;          // to the loop
    std::function<absl::Time()> clock;
    std::function<absl::Duration()> steady_clock = SteadyNow;
    absl::Duration patience = absl::Seconds(10);  // with having no leader
  };

  // Both must outlive it.
  LeaderClient(const Options& options, JobReader& store, ServerMetrics& metrics);

  // From now on this is the leader; null: nobody is.
  void PointTo(LeaderLinkPtr leader);
  void OnTick();
  // Ends all calls, of now and of later, with this status. Calls that leave from now on have not done so by
  // themselves: what is tied to them waits for them elsewhere.
  void Close(const absl::Status& status);
  // Not on the loop, which runs; after Close. Until what was ended has come back.
  void Join();
  size_t watchers() const { return watchers_.size(); }

  void Submit(Submission submission, const Caller& caller, const std::optional<CallTimes>& tied_to,
              Answer<v1::Job> answer) override;
  void Leave(const std::string& id, const CallTimes& call) override;
  void Get(const std::string& id, const Caller& caller, Answer<v1::Job> answer) override;
  void List(const v1::ListJobsRequest& request, const Caller& caller,
            Answer<v1::ListJobsResponse> answer) override;
  void Cancel(const std::string& id, const Caller& caller, const absl::Status& reason,
              Answer<v1::Job> answer) override;
  void Delete(const std::string& id, const Caller& caller, const absl::Status& reason,
              Answer<v1::Job> answer) override;
  void Check(Submission submission, const Caller& caller, Answer<v1::CreateJobResponse> answer) override;
  void GetImage(const std::string& id, uint32_t index, const Caller& caller,
                Answer<v1::GetImageResponse> answer) override;
  void Watch(const std::string& id, const WatchStart& start, const Caller& caller,
             std::function<void()> on_news, Answer<WatchId> answer) override;
  WatchNews Next(WatchId watch) override { return events_.Next(watch); }
  void Unwatch(WatchId watch) override;
  void ListModels(Answer<v1::ListModelsResponse> answer) override;
  void GetModel(const std::string& name, Answer<v1::Model> answer) override;
  void ListSamplers(const std::string& model, Answer<v1::ListSamplersResponse> answer) override;
  void ListWorkers(Answer<v1::ListWorkersResponse> answer) override;
  void ListWork(Answer<internal::v1::ListWorkResponse> answer) override;
  void ListUsage(const v1::ListUsageRequest& request, Answer<v1::ListUsageResponse> answer) override;
  void ListSigningSecrets(Answer<std::vector<std::string>> answer) override;

 private:
  // A job that is watched here and has not ended, as far as is known here.
  struct Upstream {
    uint64_t number = 0;  // tells it from earlier ones of the job
    std::string tenant;
    std::shared_ptr<UpstreamWatch> stream = nullptr;  // there is none just now
    uint64_t last_sequence = 0;
    int watchers = 0;
  };
  struct Watcher {
    std::string job_id;
    uint64_t upstream = 0;  // its number; 0: the feed is complete
  };

  // A callback for the store that passes what it is told on to the loop.
  template <typename T>
  StoreDone<T> OnLoop(std::function<void(absl::StatusOr<T>)> then) {
    return [post = gate_.post(), then = std::move(then)](absl::StatusOr<T> result) {
      post([then, result = std::move(result)]() mutable { then(std::move(result)); });
    };
  }
  // A job of this tenant's, as the store has it.
  void Find(const std::string& id, const Caller& caller, Answer<StoredJob> answer);
  // A model as the store has it. Empty: it has none of that name, which the leader may, or could explain.
  void FindModel(const std::string& name, std::function<void(std::optional<v1::Model>)> then);
  WatchId BeginWatch(const std::string& id, uint64_t after_sequence, std::function<void()> on_news);
  void Connect(const std::string& id, Upstream& upstream);
  void OnEvent(const std::string& id, v1::JobEvent event);
  void OnStreamEnded(const std::string& id, const absl::Status& status);

  const Options options_;
  JobReader& store_;
  EventSource events_;
  LeaderCalls calls_;
  std::map<std::string, Upstream> upstreams_;  // by job
  DueTimes<absl::Duration> again_;             // jobs whose stream was lost
  uint64_t last_upstream_ = 0;
  std::map<WatchId, Watcher> watchers_;
  std::map<std::string, int> tied_;  // calls of this front by job
  absl::Duration next_purge_ = -absl::InfiniteDuration();
  bool closed_ = false;
  Gate gate_;
  InFlight in_flight_;  // streams
  TaskThread packing_;  // puts requests together that bring pictures
};

}  // namespace mind::server

#endif  // MIND_SERVER_CLUSTER_LEADER_CLIENT_H_
