#include "proto/support/metrics_endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <stdexcept>

#include "proto/support/labelled_metric.h"
#include "tests/support/loopback.h"

namespace mind {
namespace {

using support::Connect;
using support::HttpGet;
using ::testing::HasSubstr;
using ::testing::StartsWith;

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
    const std::string answer = HttpGet(Connect((*endpoint)->port()), target);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200")) << target;
    EXPECT_THAT(answer, HasSubstr("mind_answer 42")) << target;
  }
  EXPECT_THAT(HttpGet(Connect((*endpoint)->port()), "/metricsx"), StartsWith("HTTP/1.1 404"));
}

TEST(MetricsEndpoint, SaysWhatTimeItIs) {
  const auto endpoint = MetricsEndpoint::Create("127.0.0.1:0", OneGauge());
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  EXPECT_THAT(HttpGet(Connect((*endpoint)->port()), "/metrics"),
              testing::ContainsRegex("\r\nDate: [A-Z][a-z][a-z], [0-9][0-9] [A-Z][a-z][a-z] [0-9]+ "
                                     "[0-9][0-9]:[0-9][0-9]:[0-9][0-9] GMT\r\n"));
}

TEST(MetricsEndpoint, ASourceThatThrowsIsAnErrorOfTheAnswer) {
  const auto endpoint = MetricsEndpoint::Create("127.0.0.1:0", std::make_shared<Throwing>());
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  for (int i = 0; i < 2; ++i) {
    const std::string answer = HttpGet(Connect((*endpoint)->port()), "/metrics");
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
  for (const int fd : connections) EXPECT_THAT(HttpGet(fd, "/metrics"), HasSubstr("mind_answer 42"));
}

TEST(MetricsEndpoint, GoesOnWhenDescriptorsAreThereAgain) {
  const auto endpoint = MetricsEndpoint::Create("127.0.0.1:0", OneGauge());
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  const int waiting = Connect((*endpoint)->port());
  EXPECT_THAT(HttpGet(waiting, "/metrics"), HasSubstr("mind_answer 42"));
  const int next = support::NewSocket();
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit none = before;
  none.rlim_cur = 0;
  setrlimit(RLIMIT_NOFILE, &none);
  support::Connect(next, (*endpoint)->port());
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_THAT(HttpGet(next, "/metrics"), HasSubstr("mind_answer 42"));
}

}  // namespace
}  // namespace mind
