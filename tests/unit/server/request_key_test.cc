#include "server/generation/request_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mind::server {
namespace {

v1::JobRequest KeyedRequest() {
  v1::JobRequest request;
  request.mutable_spec()->set_prompt("a cat");
  request.mutable_spec()->set_source_image("bytes");
  for (const char* name : {"eta", "order", "churn"}) {
    (*request.mutable_spec()->mutable_sampler_parameters())[name].set_number_value(0.5);
  }
  return request;
}

TEST(RequestKey, RequestIdsAreShortAndPlain) {
  EXPECT_TRUE(CheckRequestId("").ok());
  EXPECT_TRUE(CheckRequestId("8c4f1c0e-3f6a-4b5e-9a52-0d7f0c5f9e11").ok());
  EXPECT_THAT(std::string(CheckRequestId(std::string(37, 'a')).message()), testing::HasSubstr("at most 36"));
  EXPECT_THAT(std::string(CheckRequestId("a b").message()), testing::HasSubstr("\"a b\" given"));
}

TEST(RequestKey, TheSameRequestHasTheSameFingerprint) {
  const std::string print = Fingerprint(KeyedRequest());
  EXPECT_EQ(print.size(), 32U);
  EXPECT_EQ(Fingerprint(KeyedRequest()), print);
  v1::JobRequest request = KeyedRequest();
  request.set_request_id("r");
  request.set_priority(v1::PRIORITY_NORMAL);
  EXPECT_EQ(Fingerprint(request), print);
}

TEST(RequestKey, AnotherRequestHasAnother) {
  const std::string print = Fingerprint(KeyedRequest());
  const std::function<void(v1::JobRequest&)> changes[] = {
      [](auto& r) { r.mutable_spec()->set_prompt("a dog"); },
      [](auto& r) { r.mutable_spec()->set_source_image("other"); },
      [](auto& r) { r.mutable_spec()->add_reference_images("other"); },
      [](auto& r) { (*r.mutable_spec()->mutable_sampler_parameters())["eta"].set_number_value(0.25); },
      [](auto& r) { r.set_priority(v1::PRIORITY_LOW); },
      [](auto& r) { r.mutable_deadline()->set_seconds(5); },
  };
  for (const auto& change : changes) {
    v1::JobRequest request = KeyedRequest();
    change(request);
    EXPECT_NE(Fingerprint(request), print) << request.ShortDebugString();
  }
}

}  // namespace
}  // namespace mind::server
