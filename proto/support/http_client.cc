#include "proto/support/http_client.h"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <map>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"

namespace mind {

namespace asio = boost::asio;

namespace {

bool MayPass(const absl::StatusOr<HttpCall::Answer>& answer) {
  if (!answer.ok()) return absl::IsUnavailable(answer.status());
  return answer->status == 429 || answer->status >= 500;
}

absl::Status Closed() {
  return absl::CancelledError("the caller is going down");
}

}  // namespace

class HttpClient::Impl {
 public:
  explicit Impl(size_t at_once) : at_once_(at_once) { tls_.set_verify_mode(asio::ssl::verify_peer); }
  ~Impl() { Close(); }

  absl::Status Trust(const std::string& ca_file) {
    boost::system::error_code error;
    if (ca_file.empty()) {
      tls_.set_default_verify_paths(error);
    } else {
      tls_.load_verify_file(ca_file, error);
    }
    if (!error) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(ca_file, ": cannot read authorities' certificates: ", error.message()));
  }
  void Run() {
    thread_ = std::thread([this] { io_.run(); });
  }
  void Send(const WebUrl& url, HttpCall::Request request, const Options& options, HttpCall::Done done)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Close() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Sending {
    uint64_t id = 0;
    WebUrl url;
    HttpCall::Request request;
    Options options;
    std::chrono::steady_clock::time_point deadline;
    int tried = 0;
  };
  using SendingPtr = std::shared_ptr<Sending>;

  // All on the thread.
  void Begin();
  void Tried(const SendingPtr& one, absl::StatusOr<HttpCall::Answer> answer);
  void Finish(uint64_t id, absl::StatusOr<HttpCall::Answer> answer) ABSL_LOCKS_EXCLUDED(mutex_);

  const size_t at_once_;
  asio::ssl::context tls_{asio::ssl::context::tls_client};
  asio::io_context io_{1};
  const asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  std::deque<SendingPtr> waiting_;  // the thread's
  size_t under_way_ = 0;            // the thread's

  absl::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<uint64_t, HttpCall::Done> unanswered_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

void HttpClient::Impl::Close() {
  io_.stop();
  if (thread_.joinable()) thread_.join();
  std::map<uint64_t, HttpCall::Done> unanswered;
  {
    const absl::MutexLock lock(&mutex_);
    closed_ = true;
    unanswered.swap(unanswered_);
  }
  for (const auto& [id, done] : unanswered) done(Closed());
}

void HttpClient::Impl::Send(const WebUrl& url, HttpCall::Request request, const Options& options,
                            HttpCall::Done done) {
  const auto one = std::make_shared<Sending>(
      Sending{.url = url,
              .request = std::move(request),
              .options = options,
              .deadline = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(options.limit)});
  bool closed = false;
  {
    const absl::MutexLock lock(&mutex_);
    closed = closed_;
    one->id = ++last_id_;
    if (!closed) unanswered_[one->id] = std::move(done);
  }
  if (closed) return done(Closed());
  asio::post(io_, [this, one] {
    waiting_.push_back(one);
    Begin();
  });
}

void HttpClient::Impl::Begin() {
  while (under_way_ < at_once_ && !waiting_.empty()) {
    const SendingPtr one = std::move(waiting_.front());
    waiting_.pop_front();
    ++under_way_;
    ++one->tried;
    // What has waited for too long ends in a moment, and not within this call: others wait behind it.
    HttpCall::Start(io_, tls_, one->url, one->request,
                    {.limit = std::min(one->options.each,
                                       absl::FromChrono(one->deadline - std::chrono::steady_clock::now())),
                     .most = one->options.most},
                    [this, one](absl::StatusOr<HttpCall::Answer> answer) {
                      --under_way_;
                      Tried(one, std::move(answer));
                      Begin();
                    });
  }
}

void HttpClient::Impl::Tried(const SendingPtr& one, absl::StatusOr<HttpCall::Answer> answer) {
  const auto pause = absl::ToChronoNanoseconds(one->options.first_pause * (int64_t{1} << (one->tried - 1)));
  const auto again = std::chrono::steady_clock::now() + pause;
  if (!MayPass(answer) || one->tried == one->options.tries || again >= one->deadline) {
    return Finish(one->id, std::move(answer));
  }
  const auto timer = std::make_shared<asio::steady_timer>(io_, again);
  timer->async_wait([this, one, timer](const boost::system::error_code&) {
    waiting_.push_back(one);
    Begin();
  });
}

void HttpClient::Impl::Finish(uint64_t id, absl::StatusOr<HttpCall::Answer> answer) {
  HttpCall::Done done;
  {
    const absl::MutexLock lock(&mutex_);
    const auto found = unanswered_.find(id);
    done = std::move(found->second);
    unanswered_.erase(found);
  }
  done(std::move(answer));
}

absl::StatusOr<std::unique_ptr<HttpClient>> HttpClient::Create(const std::string& ca_file, size_t at_once) {
  auto impl = std::make_unique<Impl>(at_once);
  if (const absl::Status trusted = impl->Trust(ca_file); !trusted.ok()) return trusted;
  impl->Run();
  return std::unique_ptr<HttpClient>(new HttpClient(std::move(impl)));
}

HttpClient::HttpClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpClient::~HttpClient() = default;

void HttpClient::Send(const WebUrl& url, HttpCall::Request request, const Options& options,
                      HttpCall::Done done) {
  impl_->Send(url, std::move(request), options, std::move(done));
}

void HttpClient::Close() {
  impl_->Close();
}

}  // namespace mind
