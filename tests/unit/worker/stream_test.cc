#include "worker/link/stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/worker/fake_server.h"

namespace mind {
namespace {

using ::testing::ElementsAre;

class StreamTest : public ::testing::Test {
 protected:
  StreamTest()
      : stub_(v1::WorkerService::NewStub(
            grpc::CreateChannel(server_.address(), grpc::InsecureChannelCredentials()))) {}
  ~StreamTest() override {
    if (stream_ == nullptr) return;
    stream_->Abort();
    EXPECT_TRUE(stream_->WaitForEnd(absl::Minutes(1)));
  }

  void Dial() {
    stream_ = Stream::Dial(*stub_, {.message = [](const v1::ConnectResponse&) {}, .preview_dropped = [] {}});
    v1::ConnectRequest report;
    report.mutable_register_()->set_name("w");
    EXPECT_TRUE(stream_->Send(std::make_shared<const v1::ConnectRequest>(report)));
  }

  FakeServer server_;
  const std::unique_ptr<v1::WorkerService::Stub> stub_;
  std::shared_ptr<Stream> stream_;
};

TEST_F(StreamTest, SendsWhatWaitsBeforeItCloses) {
  Dial();
  stream_->Send(Started("a", 0));
  stream_->Send(Result("a", 0));
  stream_->CloseAfterSending();
  EXPECT_FALSE(stream_->Send(Started("b", 0)));
  ASSERT_TRUE(stream_->WaitForEnd(absl::Minutes(1)));
  EXPECT_TRUE(stream_->status().ok());
  EXPECT_THAT(server_.AwaitLine(0, "result a/0"), ElementsAre("register", "started a/0", "result a/0"));
}

TEST_F(StreamTest, ASlowLinkCarriesResultsFirstAndOnlyTheNewestCheckpoint) {
  Dial();
  server_.AwaitLine(0, "register");
  server_.SetReading(false);
  const std::string large(4 << 20, 'x');
  for (uint32_t step = 1; step <= 20; ++step) stream_->Send(Checkpoint("a", 0, step, large));
  stream_->Send(Result("b", 0));
  server_.SetReading(true);
  const std::vector<std::string> lines = server_.AwaitLine(0, "checkpoint a/0 20");
  // The first is on its way before the others come, the second may be.
  ASSERT_LE(lines.size(), 10U) << ::testing::PrintToString(lines);
  EXPECT_EQ(lines[lines.size() - 2], "result b/0");
}

TEST_F(StreamTest, NothingGoesOutOnceItHasEnded) {
  Dial();
  server_.AwaitLine(0, "register");
  server_.Break();
  ASSERT_TRUE(stream_->WaitForEnd(absl::Minutes(1)));
  EXPECT_EQ(stream_->status().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_FALSE(stream_->Send(Result("a", 0)));
}

}  // namespace
}  // namespace mind
