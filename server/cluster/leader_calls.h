// Questions to the leader, whoever that is: each is asked as often as it takes to get an answer.
//
// While nobody leads a question waits. Where the leader is lost, or leads no more, it is asked again of the
// next; only when its time is up it is answered that nobody leads. So whatever is asked here must be harmless
// when it is asked twice.
//
// All on the server's loop; not thread-safe.
#ifndef MIND_SERVER_CLUSTER_LEADER_CALLS_H_
#define MIND_SERVER_CLUSTER_LEADER_CALLS_H_

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/support/errors.h"
#include "server/cluster/gate.h"
#include "server/cluster/in_flight.h"
#include "server/cluster/leader_link.h"
#include "server/dispatch/due_times.h"
#include "server/dispatch/moment.h"
#include "server/trust/caller.h"

namespace mind::server {

class LeaderCalls {
 public:
  struct Options {
    // How long a question waits for a leader.
    absl::Duration patience = absl::Seconds(10);
    absl::Duration pause = absl::Milliseconds(100);  // between two tries
    std::function<absl::Duration()> steady_clock = SteadyNow;
    Post post;  // to the loop
  };

  explicit LeaderCalls(Options options);
  // Calls that are under way are cut off, and nobody hears of them.
  ~LeaderCalls();

  using Done = std::function<void(grpc::Status)>;
  // `call` begins one try, as an async method of a stub does:
  //   (const LeaderLink&, grpc::ClientContext*, const Request*, Response*, Done).
  template <typename Response, typename Request, typename Call>
  void Ask(const Caller& caller, Request request, Call call,
           std::function<void(absl::StatusOr<Response>)> answer);

  // From now on this is the leader. Calls to another are cut off and asked again here.
  void PointTo(LeaderLinkPtr leader);
  const LeaderLinkPtr& leader() const { return leader_; }
  void OnTick();
  // Answers all questions, of now and of later, with this.
  void Close(const absl::Status& status);

  // Not on the loop: until all that was cut off has ended.
  void Join() { in_flight_.Wait(); }

  // Metadata of a call to the leader.
  static void Prepare(grpc::ClientContext& context, const LeaderLink& leader, const Caller& caller);
  // Whether a call that ended so is to be made again: its leader is lost, or is none.
  static bool IsLost(const absl::Status& status);
  static absl::Status NoLeader();

 private:
  struct Question {
    Caller caller;
    absl::Duration give_up;
    std::shared_ptr<grpc::ClientContext> context;  // of the try that is under way
    // Begins a try. How it ended is told on the loop; true: that is the answer.
    std::function<void(const LeaderLink&, const std::shared_ptr<grpc::ClientContext>&,
                       std::function<bool(const absl::Status&)> ended)>
        begin;
    std::function<void(const absl::Status&)> fail;
  };

  void Add(Question question);
  void Try(uint64_t number);
  bool Ended(uint64_t number, const grpc::ClientContext* context, const absl::Status& status);
  void Fail(uint64_t number, const absl::Status& status);

  const Options options_;
  LeaderLinkPtr leader_;
  uint64_t last_ = 0;
  std::map<uint64_t, Question> questions_;    // the first are the first to be given up
  DueTimes<absl::Duration, uint64_t> again_;  // whose try was lost
  absl::Status closed_;
  Gate gate_;
  InFlight in_flight_;
};

template <typename Response, typename Request, typename Call>
void LeaderCalls::Ask(const Caller& caller, Request request, Call call,
                      std::function<void(absl::StatusOr<Response>)> answer) {
  Question question{.caller = caller};
  question.begin = [this, asked = std::make_shared<const Request>(std::move(request)), call, answer](
                       const LeaderLink& leader, const std::shared_ptr<grpc::ClientContext>& context,
                       std::function<bool(const absl::Status&)> ended) {
    const auto response = std::make_shared<Response>();
    const Done done = [post = gate_.post(), token = in_flight_.Begin(), context, asked, response, answer,
                       ended = std::move(ended)](const grpc::Status& status) {
      post([context, response, answer, ended, status = FromGrpc(status)] {
        if (ended(status)) answer(std::move(*response));
      });
    };
    call(leader, context.get(), asked.get(), response.get(), done);
  };
  question.fail = [answer = std::move(answer)](const absl::Status& status) { answer(status); };
  Add(std::move(question));
}

}  // namespace mind::server

#endif  // MIND_SERVER_CLUSTER_LEADER_CALLS_H_
