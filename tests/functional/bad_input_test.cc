// Bad input over the wire: a precise error each, and a server that goes on serving.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "proto/support/errors.h"
#include "tests/functional/cluster.h"
#include "tests/support/temporary_folder.h"

namespace mind::testing {
namespace {

using ::testing::HasSubstr;

TEST(BadInput, IsNamedAndHarmless) {
  Cluster cluster;
  cluster.StartWorker("w");
  const auto client = cluster.NewClient();
  struct Case {
    std::function<void(v1::ImageSpec&)> spoil;
    absl::StatusCode code;
    const char* message;
  };
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  const Case cases[] = {
      {[](auto& s) { s.set_model("nope"); }, absl::StatusCode::kNotFound, "known: emoji"},
      {[](auto& s) { s.set_width(63); }, kInvalid, "multiple of 8"},
      {[](auto& s) { s.set_height(100000); }, kInvalid, "100000 given"},
      {[](auto& s) { s.set_steps(0); }, kInvalid, "0 given; it must be 1 to 1000"},
      {[](auto& s) { s.set_steps(1000000); }, kInvalid, "1000000 given"},
      {[](auto& s) { s.set_prompt(std::string(1 << 20, 'x')); }, kInvalid, "at most 8192"},
      {[](auto& s) { s.set_guidance(NAN); }, kInvalid, "nan given"},
      {[](auto& s) { s.set_sampler("dpmpp_2"); }, kInvalid, "known: dpmpp_2"},
      {[](auto& s) { s.set_format(static_cast<v1::ImageFormat>(99)); }, kInvalid, "99 is not an ImageFormat"},
      {[](auto& s) { s.set_image_count(1000); }, kInvalid, "1000 given"},
  };
  for (const Case& bad : cases) {
    v1::JobRequest request = Request("a cat", 1);
    bad.spoil(*request.mutable_spec());
    for (const absl::Status& status :
         {client->Create(request).status(), client->Generate(request, {}).status()}) {
      EXPECT_EQ(status.code(), bad.code) << status;
      EXPECT_THAT(std::string(status.message()), HasSubstr(bad.message));
    }
  }
  EXPECT_TRUE(absl::IsNotFound(client->Get("job-nope").status()));
  EXPECT_TRUE(absl::IsNotFound(client->Watch("job-nope", {}).status()));
  EXPECT_TRUE(absl::IsNotFound(client->Cancel("").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(client->List(100000).status()));
  const auto stranger = cluster.NewClient("two words");
  EXPECT_TRUE(absl::IsInvalidArgument(stranger->List(1).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(stranger->Generate(Request("a cat", 1), {}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(stranger->Watch("job-nope", {}).status()));
  EXPECT_TRUE(client->Generate(Request("a cat", 1), {}).ok());
  EXPECT_TRUE(cluster.server().running());
  EXPECT_TRUE(cluster.worker("w").running());
}

// A string field that is not UTF-8 does not parse as proto3: made by hand, it must not reach anybody.
TEST(BadInput, BytesThatAreNoMessageAreRefused) {
  Cluster cluster;
  cluster.StartWorker("w");
  const std::string bytes = "\x0a\x07\x0a\x05\x12\x03\xff\xfe\xfd";
  const grpc::Status refused = RawCall(cluster.address(), "/mind.v1.GenerationService/CreateJob", bytes);
  // What gRPC itself says of bytes that do not parse.
  EXPECT_TRUE(refused.error_code() == grpc::StatusCode::INTERNAL ||
              refused.error_code() == grpc::StatusCode::UNIMPLEMENTED)
      << refused.error_code() << ": " << refused.error_message();
  EXPECT_TRUE(cluster.NewClient()->Generate(Request("a cat", 1), {}).ok());
}

TEST(BadInput, ProgramsNameWhatIsWrongWithTheirFlags) {
  const support::TemporaryFolder folder;
  const std::string out = folder.path() / "bad-flag";
  const auto errors_of = [&](std::vector<std::string> command) {
    command[0] = MIND_BIN "/" + command[0];
    Process process(command, out);
    EXPECT_NE(process.Wait(), 0);
    return process.Errors();
  };
  EXPECT_THAT(errors_of({"mind-server", "--max-queue", "many"}),
              HasSubstr("--max-queue: \"many\" is not a whole number from 0 to"));
  EXPECT_THAT(errors_of({"mind-server", "--metrics", "nowhere"}), HasSubstr("is not HOST:PORT"));
  EXPECT_THAT(errors_of({"mind-server", "--open", "--listen", "256.0.0.1:1", "--metrics", "127.0.0.1:0",
                         "--data", out + ".d"}),
              HasSubstr("cannot listen on 256.0.0.1:1"));
  EXPECT_THAT(errors_of({"mind-worker", "--device", "tpu"}), HasSubstr("cuda:N"));
  EXPECT_THAT(errors_of({"mind-worker", "--metrics", "127.0.0.1:0", "--models", "/nowhere"}),
              HasSubstr("/nowhere"));
  EXPECT_THAT(errors_of({"mind-worker", "--precision", "fp8"}),
              HasSubstr("fp8: allowed: fp32, tf32, bf16, fp16"));
  EXPECT_THAT(errors_of({"mind-worker", "--precision", "tf32", "--metrics", "127.0.0.1:0"}),
              HasSubstr("TF32 is of CUDA devices; allowed on a CPU: fp32, bf16, fp16"));
  EXPECT_THAT(errors_of({"mind-golden", "--precision", "tf32", MIND_TEST_DATA "/golden"}),
              HasSubstr("mind-golden: --precision tf32: TF32 is of CUDA devices"));
  EXPECT_THAT(errors_of({"mind-golden", "/nowhere"}), HasSubstr("/nowhere: not a directory"));
}

}  // namespace
}  // namespace mind::testing
