#include "proto/support/errors.h"

#include <gtest/gtest.h>

namespace mind {
namespace {

TEST(Errors, TravelOverGrpcWithTheirDetails) {
  const absl::Status sent = WithRetry(InvalidField("spec.steps", "0 given"), absl::Milliseconds(1500));
  const absl::Status received = FromGrpc(ToGrpc(sent));
  EXPECT_EQ(received.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(received.message(), "spec.steps: 0 given");
  EXPECT_EQ(GetBadRequest(received)->field_violations(0).field(), "spec.steps");
  EXPECT_EQ(GetRetryDelay(received), absl::Milliseconds(1500));
  EXPECT_EQ(GetErrorInfo(received)->domain(), kErrorDomain);
}

TEST(Errors, StatusesWithoutDetailsKeepCodeAndMessage) {
  const absl::Status received = FromGrpc(grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone"));
  EXPECT_TRUE(absl::IsUnavailable(received));
  EXPECT_EQ(received.message(), "gone");
  EXPECT_FALSE(GetErrorInfo(received).has_value());
  EXPECT_TRUE(FromGrpc(grpc::Status::OK).ok());
}

TEST(Errors, KnowUtf8) {
  EXPECT_TRUE(IsValidUtf8("plain, 红苹果, 🍎"));
  for (const char* bad : {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe7\xba", "a\x80"}) {
    EXPECT_FALSE(IsValidUtf8(bad));
  }
}

TEST(Errors, PrintableIsAlwaysUtf8AndShort) {
  EXPECT_EQ(Printable("ok\xff!"), "ok?!");
  EXPECT_EQ(Printable("abcdef", 3), "abc…");
  EXPECT_EQ(Printable("a\x1b[2J\x07\x7f\xc2\x9b\n\té"), "a?[2J???\n\té");
  EXPECT_TRUE(IsValidUtf8(Printable(std::string(1000, '\xe7'))));
}

TEST(Errors, HoweverLongTheyFitTheMetadataOfACall) {
  const std::string endless(100'000, 'x');
  std::string chinese;
  for (int i = 0; i < 5000; ++i) chinese += "错";
  absl::Status foreign(absl::StatusCode::kInternal, endless);  // as a worker might send it
  foreign.SetPayload("type.googleapis.com/other", absl::Cord(endless));
  for (const absl::Status& status : {InvalidField("spec.loras", endless), InvalidField("spec.loras", chinese),
                                     NotFound("model", "m", chinese),
                                     MakeError(absl::StatusCode::kInternal, endless, "ENGINE"), foreign}) {
    const grpc::Status sent = ToGrpc(status);
    EXPECT_EQ(static_cast<int>(sent.error_code()), static_cast<int>(status.code()));
    EXPECT_LE(sent.error_message().size(), 1010U);
    EXPECT_LE(sent.error_details().size(), 3500U);
    EXPECT_TRUE(IsValidUtf8(sent.error_message()));
  }
  const auto info = GetErrorInfo(FromGrpc(ToGrpc(InvalidField("spec.loras", endless))));
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->reason(), "INVALID_FIELD");
}

}  // namespace
}  // namespace mind
