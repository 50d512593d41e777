#include "server/generation/job_pages.h"

#include <limits>
#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "proto/support/errors.h"
#include "server/generation/labels.h"
#include "server/generation/public_job.h"

namespace mind::server {
namespace {

constexpr uint32_t kDefaultPage = 50, kMaxPage = 1000;
// What a page token begins with; the number of the page's last job follows.
constexpr char kTokenVersion[] = "1.";

std::string PageToken(uint64_t number) {
  return absl::WebSafeBase64Escape(absl::StrCat(kTokenVersion, number));
}

// Empty: not one of ours.
std::optional<uint64_t> NumberOf(const std::string& token) {
  std::string text;
  absl::string_view number;
  uint64_t value = 0;
  if (!absl::WebSafeBase64Unescape(token, &text)) return std::nullopt;
  number = text;
  if (!absl::ConsumePrefix(&number, kTokenVersion) || !absl::SimpleAtoi(number, &value)) return std::nullopt;
  return value;
}

// What the store has of a job that has not ended may be older than the job: those are looked at one by one.
std::vector<v1::JobState> StatesToLookAt(v1::JobState wanted) {
  if (wanted == v1::JOB_STATE_UNSPECIFIED) return {};
  if (wanted == v1::JOB_STATE_QUEUED || wanted == v1::JOB_STATE_RUNNING) {
    return {v1::JOB_STATE_QUEUED, v1::JOB_STATE_RUNNING};
  }
  return {wanted};
}

// A page that is being filled.
class Page : public std::enable_shared_from_this<Page> {
 public:
  Page(JobSource source, v1::JobState wanted, JobQuery query, Generation::Answer<v1::ListJobsResponse> answer)
      : source_(std::move(source)),
        wanted_(wanted),
        size_(query.limit),
        query_(std::move(query)),
        answer_(std::move(answer)) {
    query_.limit = size_ + 1;  // one too many says that there is another page
  }

  void Ask() {
    source_.list(query_, [self = shared_from_this()](const absl::StatusOr<std::vector<StoredJob>>& jobs) {
      self->Take(jobs);
    });
  }

 private:
  void Take(const absl::StatusOr<std::vector<StoredJob>>& jobs) {
    if (!jobs.ok()) return answer_(jobs.status());
    for (const StoredJob& stored : *jobs) {
      const v1::Job* const now = source_.now(stored.job.id());
      const v1::Job& job = now != nullptr ? *now : stored.job;
      const bool shown =
          (wanted_ == v1::JOB_STATE_UNSPECIFIED || job.state() == wanted_) && !source_.gone(job.id());
      if (shown && page_.jobs_size() == size_) {
        page_.set_next_page_token(PageToken(query_.before));
        return answer_(std::move(page_));
      }
      if (shown) *page_.add_jobs() = PublicJob(job);
      query_.before = stored.number;
    }
    if (static_cast<int>(jobs->size()) < query_.limit) return answer_(std::move(page_));
    Ask();
  }

  const JobSource source_;
  const v1::JobState wanted_;
  const int size_;
  JobQuery query_;  // for what comes next
  v1::ListJobsResponse page_;
  const Generation::Answer<v1::ListJobsResponse> answer_;
};

}  // namespace

void ListPage(JobSource source, const v1::ListJobsRequest& request, const Caller& caller,
              Generation::Answer<v1::ListJobsResponse> answer) {
  if (request.page_size() > kMaxPage) {
    return answer(
        InvalidField("page_size", absl::StrCat(request.page_size(), " given; it must be 0 to ", kMaxPage)));
  }
  if (!v1::JobState_IsValid(request.state())) {
    return answer(
        InvalidField("state", absl::StrCat(static_cast<int>(request.state()), " is not a JobState")));
  }
  const std::optional<uint64_t> before =
      request.page_token().empty() ? std::numeric_limits<uint64_t>::max() : NumberOf(request.page_token());
  if (!before) return answer(InvalidField("page_token", "not a token this server has given out"));
  const uint32_t size = request.page_size() == 0 ? kDefaultPage : request.page_size();
  if (absl::Status bad = CheckLabels("labels", request.labels()); !bad.ok()) return answer(bad);
  JobQuery query{.tenant = caller.tenant,
                 .states = StatesToLookAt(request.state()),
                 .before = *before,
                 .limit = static_cast<int>(size),
                 .labels = {request.labels().begin(), request.labels().end()}};
  std::make_shared<Page>(std::move(source), request.state(), std::move(query), std::move(answer))->Ask();
}

}  // namespace mind::server
