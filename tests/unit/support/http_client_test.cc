#include "proto/support/http_client.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>

#include "absl/strings/str_cat.h"
#include "tests/support/loopback.h"

namespace mind {
namespace {

// Listens, and never answers.
class Silent {
 public:
  Silent() : fd_(support::NewSocket()) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(fd_, 8), 0);
    socklen_t size = sizeof address;
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~Silent() { close(fd_); }
  int port() const { return port_; }

 private:
  const int fd_;
  int port_ = 0;
};

absl::Status StatusOfGet(HttpClient& client, const std::string& address, const HttpClient::Options& options) {
  const WebUrl url = *ParseWebUrl(address);
  std::promise<absl::Status> status;
  client.Send(url, {.method = "GET", .fields = {}, .body = ""}, options,
              [&](const absl::StatusOr<HttpCall::Answer>& answer) { status.set_value(answer.status()); });
  return status.get_future().get();
}

TEST(HttpClient, WhoNeverAnswersIsWaitedForNoLongerThanWasSaid) {
  const Silent silent;
  const auto client = HttpClient::Create("");
  const std::string url = absl::StrCat("http://127.0.0.1:", silent.port(), "/");
  EXPECT_TRUE(absl::IsDeadlineExceeded(StatusOfGet(**client, url, {.limit = absl::Milliseconds(50)})));
}

TEST(HttpClient, WhatIsLateBeforeItBeginsEndsAllTheSame) {
  const Silent silent;
  const auto client = HttpClient::Create("");
  // Its time is over while the host is looked up, which nothing can stop.
  const std::string url = absl::StrCat("http://localhost:", silent.port(), "/");
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(absl::IsDeadlineExceeded(StatusOfGet(**client, url, {.limit = absl::Nanoseconds(-1)})));
  }
}

}  // namespace
}  // namespace mind
