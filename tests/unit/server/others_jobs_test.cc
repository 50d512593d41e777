// What one tenant is told of another's job, and what is done for it to be told.
#include <gmock/gmock.h>

#include <map>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

// All that it says; what goes with it by kind, since a Status has that in any order.
std::string WordsOf(const absl::Status& status) {
  std::map<std::string, std::string> details;
  status.ForEachPayload([&details](absl::string_view kind, const absl::Cord& bytes) {
    details[std::string(kind)] = std::string(bytes);
  });
  std::string words = absl::StrCat(absl::StatusCodeToString(status.code()), ": ", status.message());
  for (const auto& [kind, bytes] : details) absl::StrAppend(&words, " ", kind, "=", bytes);
  return words;
}

class OthersJobs : public ServiceRig {
 protected:
  // An answer without the id in it, and how many turns of the loop it came after: a store that is asked
  // answers in another.
  using Told = std::pair<std::string, size_t>;

  template <typename T>
  Told Of(const std::string& id, const std::function<void(Generation::Answer<T>)>& ask) {
    const auto [reply, answer] = Expect<T>();
    ask(answer);
    EXPECT_FALSE(reply->has_value()) << "known without a look";
    const size_t turns = posted_.size();
    const absl::Status status = Answered<T>(reply).status();
    EXPECT_TRUE(absl::IsNotFound(status)) << status;
    return {absl::StrReplaceAll(WordsOf(status), {{id, "ID"}}), turns};
  }
  // Of all that can be asked of a job by its id.
  std::vector<Told> AllOf(const std::string& id) {
    return {
        Of<v1::Job>(id, [&](const auto& answer) { service().Get(id, stranger_, answer); }),
        Of<v1::Job>(
            id, [&](const auto& answer) { service().Cancel(id, stranger_, CancelledByRequest(id), answer); }),
        Of<v1::Job>(
            id, [&](const auto& answer) { service().Delete(id, stranger_, CancelledByRequest(id), answer); }),
        Of<v1::GetImageResponse>(id,
                                 [&](const auto& answer) { service().GetImage(id, 0, stranger_, answer); }),
        Of<WatchId>(id,
                    [&](const auto& answer) {
                      service().Watch(
                          id, {}, stranger_, [] {}, answer);
                    }),
    };
  }

  const Caller stranger_{.tenant = "stranger"};
};

TEST_F(OthersJobs, AreNoneByTheSameWordsAndTheSameWork) {
  const auto worker = Connect("w", 1);
  const std::string ended = Create();
  Finish(worker, ended);
  const std::string running = Create(), waiting = Create(), cancelled = Create();
  ASSERT_TRUE(Cancel(cancelled).ok());
  std::string none = ended;
  none.back() = none.back() == '0' ? '1' : '0';
  const std::vector<Told> told = AllOf(none);
  for (const auto& [id, state] : {std::pair(ended, v1::JOB_STATE_SUCCEEDED),
                                  {running, v1::JOB_STATE_RUNNING},
                                  {waiting, v1::JOB_STATE_QUEUED},
                                  {cancelled, v1::JOB_STATE_CANCELLED}}) {
    ASSERT_EQ(StateOf(id), state);
    EXPECT_EQ(AllOf(id), told) << v1::JobState_Name(state);
    EXPECT_EQ(StateOf(id), state);
  }
}

TEST_F(OthersJobs, IdsTellNothingOfWhoCameBefore) {
  // Of 96 random bits: neither a time nor a number is in them.
  std::set<std::string> firsts;
  for (int i = 0; i < 64; ++i) firsts.insert(NewJobId().substr(0, 8));
  EXPECT_GT(firsts.size(), 16U);
}

}  // namespace
}  // namespace mind::server
