#include "proto/support/metrics_endpoint.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

#include "proto/support/labelled_metric.h"

namespace mind {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

int Connect(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return fd;
}

std::string Ask(int fd, const std::string& target) {
  const std::string request = "GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n";
  EXPECT_EQ(send(fd, request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
  std::string text;
  char buffer[4096];
  for (ssize_t size = 0; (size = recv(fd, buffer, sizeof buffer, 0)) > 0;)
    text.append(buffer, static_cast<size_t>(size));
  close(fd);
  return text;
}

std::shared_ptr<prometheus::Registry> OneGauge() {
  auto registry = std::make_shared<prometheus::Registry>();
  GaugeFamily(*registry, "mind_answer", "What it is").Add({}).Set(42);
  return registry;
}

class Throwing : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override { throw std::runtime_error("no such luck"); }
};

TEST(MetricsEndpoint, AnswersAlsoWithAQueryAndByName) {
  const auto endpoint = MetricsEndpoint::Create("localhost:0", OneGauge());
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  for (const char* target : {"/metrics", "/metrics?name[]=mind_answer", "/metrics?"}) {
    const std::string answer = Ask(Connect((*endpoint)->port()), target);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200")) << target;
    EXPECT_THAT(answer, HasSubstr("mind_answer 42")) << target;
  }
  EXPECT_THAT(Ask(Connect((*endpoint)->port()), "/metricsx"), StartsWith("HTTP/1.1 404"));
}

TEST(MetricsEndpoint, ASourceThatThrowsIsAnErrorOfTheAnswer) {
  const auto endpoint = MetricsEndpoint::Create("127.0.0.1:0", std::make_shared<Throwing>());
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  for (int i = 0; i < 2; ++i) {
    const std::string answer = Ask(Connect((*endpoint)->port()), "/metrics");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 500"));
    EXPECT_THAT(answer, HasSubstr("no such luck"));
  }
}

TEST(MetricsEndpoint, AddressesAreChecked) {
  for (const char* address : {"nowhere", ":80", "127.0.0.1:70000", "no.such.host.invalid:0"}) {
    EXPECT_FALSE(MetricsEndpoint::Create(address, OneGauge()).ok()) << address;
  }
}

TEST(MetricsEndpoint, ManyConnectionsWaitForTheirTurn) {
  const auto endpoint = MetricsEndpoint::Create("127.0.0.1:0", OneGauge());
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  std::vector<int> connections;
  for (int i = 0; i < 100; ++i) connections.push_back(Connect((*endpoint)->port()));
  for (const int fd : connections) EXPECT_THAT(Ask(fd, "/metrics"), HasSubstr("mind_answer 42"));
}

TEST(MetricsEndpoint, GoesOnWhenDescriptorsAreThereAgain) {
  const auto endpoint = MetricsEndpoint::Create("127.0.0.1:0", OneGauge());
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  const int waiting = Connect((*endpoint)->port());
  EXPECT_THAT(Ask(waiting, "/metrics"), HasSubstr("mind_answer 42"));
  const int next = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit none = before;
  none.rlim_cur = 0;
  setrlimit(RLIMIT_NOFILE, &none);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>((*endpoint)->port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(next, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_THAT(Ask(next, "/metrics"), HasSubstr("mind_answer 42"));
}

}  // namespace
}  // namespace mind
