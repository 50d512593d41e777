#include "proto/support/http_client.h"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <utility>

#include "absl/strings/str_cat.h"

namespace mind {

namespace asio = boost::asio;

namespace {

bool MayPass(const absl::StatusOr<HttpCall::Answer>& answer) {
  if (!answer.ok()) return absl::IsUnavailable(answer.status());
  return answer->result_int() == 429 || answer->result_int() >= 500;
}

absl::Status Closed() {
  return absl::CancelledError("the caller is going down");
}

}  // namespace

absl::StatusOr<std::unique_ptr<HttpClient>> HttpClient::Create(const std::string& ca_file, size_t at_once) {
  std::unique_ptr<HttpClient> client(new HttpClient(at_once));
  client->tls_.set_verify_mode(asio::ssl::verify_peer);
  boost::system::error_code error;
  if (ca_file.empty()) {
    client->tls_.set_default_verify_paths(error);
  } else {
    client->tls_.load_verify_file(ca_file, error);
  }
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat(ca_file, ": cannot read authorities' certificates: ", error.message()));
  }
  client->thread_ = std::thread([io = &client->io_] { io->run(); });
  return client;
}

void HttpClient::Close() {
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

void HttpClient::Send(const WebUrl& url, HttpCall::Request request, const Options& options,
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

void HttpClient::Begin() {
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

void HttpClient::Tried(const SendingPtr& one, absl::StatusOr<HttpCall::Answer> answer) {
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

void HttpClient::Finish(uint64_t id, absl::StatusOr<HttpCall::Answer> answer) {
  HttpCall::Done done;
  {
    const absl::MutexLock lock(&mutex_);
    const auto found = unanswered_.find(id);
    done = std::move(found->second);
    unanswered_.erase(found);
  }
  done(std::move(answer));
}

}  // namespace mind
