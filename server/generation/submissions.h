// New jobs: whether a request is one that came before, whether it may come in, and on whose behalf it lives.
#ifndef MIND_SERVER_GENERATION_SUBMISSIONS_H_
#define MIND_SERVER_GENERATION_SUBMISSIONS_H_

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/generation/decisions.h"
#include "server/generation/generation.h"
#include "server/generation/service_state.h"

namespace mind::server {

// All on the server's loop; not thread-safe.
class Submissions {
 public:
  using Answer = Generation::Answer<v1::Job>;

  // Both must outlive it.
  Submissions(ServiceState& state, Decisions& decisions) : state_(state), decisions_(decisions) {}

  // See Generation.
  void Submit(Submission submission, const Caller& caller, const std::optional<CallTimes>& tied_to,
              Answer answer);
  void Leave(const std::string& id, const CallTimes& call);
  absl::StatusOr<v1::CreateJobResponse> Check(Submission submission, const Caller& caller);

  // From now on new jobs are refused, and calls that leave have not done so by themselves.
  void StopAdmitting() { admitting_ = false; }
  void StopListeningToLeaving() { deaf_ = true; }
  // Those that wait to hear whether they are allowed are answered this instead.
  void Dismiss(const absl::Status& status);
  bool admitting() const { return admitting_; }

 private:
  // One request on its way.
  struct Asked {
    Submission submission;
    Caller caller;
    std::optional<CallTimes> tied_to;
    Answer answer;
    RequestKey key;
    RequestTrace trace;
    bool allowed = false;  // moderation has said so, or is not asked
  };
  using AskedPtr = std::shared_ptr<Asked>;
  using TurnKey = std::pair<std::string, std::string>;  // tenant, request_id

  // Requests of one request_id are looked at one after the other, the next when the one before is answered:
  // so each finds in the store what the others have made.
  void LookUp(const AskedPtr& asked);
  void OnLookedUp(const AskedPtr& asked, const absl::StatusOr<std::optional<EarlierRequest>>& earlier);
  // The same request has made this job.
  void GiveEarlier(const AskedPtr& asked, const EarlierRequest& earlier);
  // A tied call of another front is one for good when the front watches the job.
  absl::Time FrontMustWatchBy(const CallTimes& call) const;
  void Accept(const AskedPtr& asked);
  // A job that may come in, and what it costs.
  struct Made {
    v1::Job job;
    double rows = 0, reference_megapixels = 0;
    Quotas::Charge charge;
    v1::TenantLimits limits;
  };
  absl::StatusOr<Made> MakeJob(const Asked& asked);
  // Has moderation asked about the request, which takes its share of what may wait meanwhile.
  void Moderate(const AskedPtr& asked, const Made& made);
  void OnModerated(uint64_t number, const absl::Status& verdict);
  // Whether there is room for one more job of this model, priority and tenant.
  absl::Status Admit(const std::string& model, int priority, const std::string& tenant) const;
  // The job was refused after all: its record could not be written.
  void Withdraw(const std::string& id, const absl::Status& why);
  void Finish(const AskedPtr& asked, absl::StatusOr<v1::Job> job);

  ServiceState& state_;
  Decisions& decisions_;
  std::map<TurnKey, std::deque<AskedPtr>> turns_;  // the first is being looked at
  std::map<uint64_t, AskedPtr> moderated_;         // asked about, by number
  uint64_t last_moderated_ = 0;
  absl::BitGen random_;
  bool admitting_ = true;
  bool deaf_ = false;
};

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_SUBMISSIONS_H_
