// What models cost, over restarts.
#include "server/generation/kept_prices.h"

#include <gmock/gmock.h>

#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

class KeptPricesTest : public ServiceRig {
 protected:
  static v1::Register Registration(const std::string& revision) {
    v1::Register registration;
    registration.set_name("w");
    *registration.add_models() = SmallModel("m");
    registration.mutable_models(0)->set_revision(revision);
    return registration;
  }
  std::shared_ptr<FakeSession> ConnectWith(const std::string& revision) {
    auto session = std::make_shared<FakeSession>();
    EXPECT_TRUE(Register(session, Registration(revision)).ok());
    return session;
  }
  void Measure(const std::shared_ptr<FakeSession>& worker, double row_seconds) {
    v1::ConnectRequest message;
    message.mutable_capacity()->set_max_images(1);
    v1::ModelSpeed& speed = *message.mutable_capacity()->add_speeds();
    speed.set_model("m");
    speed.set_row_seconds(row_seconds);
    Say(worker, message);
  }
  // What the service takes a picture of the model to run; empty: it does not know.
  std::optional<int64_t> Run() {
    const auto [reply, answer] = Expect<v1::CreateJobResponse>();
    service().Check(PrepareSubmission(SmallRequest()), {}, answer);
    const auto checked = Answered<v1::CreateJobResponse>(reply);
    EXPECT_TRUE(checked.ok()) << checked.status();
    if (!checked.ok() || !checked->estimate().has_estimated_run()) return std::nullopt;
    return checked->estimate().estimated_run().seconds();
  }
};

TEST_F(KeptPricesTest, AreThereAfterARestart) {
  Measure(ConnectWith("one"), 0.5);
  Tick(absl::Seconds(61));
  EXPECT_EQ(store_.price_writes, 1);
  EXPECT_EQ(Run(), 20);
  Restart();
  EXPECT_EQ(Run(), 20);
}

TEST_F(KeptPricesTest, OfOtherWeightsCountNoMore) {
  Measure(ConnectWith("one"), 0.5);
  Tick(absl::Seconds(61));
  Restart();
  ConnectWith("two");
  Restart();
  EXPECT_EQ(Run(), std::nullopt);
}

TEST_F(KeptPricesTest, AreWrittenSeldomAndOnlyWhenTheyHaveChanged) {
  const auto worker = ConnectWith("one");
  for (int second = 0; second < 300; ++second) {
    Measure(worker, 0.5 + 0.0001 * second);
    Tick(absl::Seconds(1));
  }
  EXPECT_EQ(store_.price_writes, 1);
  Measure(worker, 5);
  EXPECT_EQ(store_.price_writes, 1);
  Tick(absl::Seconds(61));
  EXPECT_EQ(store_.price_writes, 2);
  ConnectWith("two");
  Tick(absl::Seconds(61));
  EXPECT_EQ(store_.price_writes, 3);
}

TEST_F(KeptPricesTest, AServerThatGoesDownLeavesTheNewest) {
  Measure(ConnectWith("one"), 0.5);
  service().StopAdmitting();
  Settle();
  EXPECT_EQ(store_.price_writes, 1);
}

}  // namespace
}  // namespace mind::server
