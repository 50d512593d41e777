#include "proto/support/otlp_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mind {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

class OtlpOptionsTest : public testing::Test {
 protected:
  absl::StatusOr<std::optional<OtlpOptions>> Read() const {
    return OtlpOptionsFrom(
        [this](const std::string& name) {
          const auto found = set_.find(name);
          return found == set_.end() ? std::string() : found->second;
        },
        "mind-server");
  }
  OtlpOptions Good() const {
    const auto options = Read();
    EXPECT_TRUE(options.ok() && options->has_value()) << options.status();
    return options.ok() && options->has_value() ? **options : OtlpOptions();
  }
  std::string Wrong() const { return std::string(Read().status().message()); }

  std::map<std::string, std::string> set_;
};

TEST_F(OtlpOptionsTest, NothingIsExportedUnlessAskedFor) {
  EXPECT_FALSE(Read()->has_value());
  set_["OTEL_SERVICE_NAME"] = "pictures";
  EXPECT_FALSE(Read()->has_value());
  set_["OTEL_TRACES_EXPORTER"] = "otlp";
  EXPECT_EQ(Good().endpoint, "localhost:4317");
  set_["OTEL_TRACES_EXPORTER"] = "none";
  set_["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://there:4317";
  EXPECT_FALSE(Read()->has_value());
  set_.erase("OTEL_TRACES_EXPORTER");
  EXPECT_EQ(Good().endpoint, "there:4317");
  set_["OTEL_SDK_DISABLED"] = "true";
  EXPECT_FALSE(Read()->has_value());
}

TEST_F(OtlpOptionsTest, WhatIsSetForTracesGoesBeforeWhatIsSetForAll) {
  set_ = {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4317"},
          {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://traces:4317/"},
          {"OTEL_EXPORTER_OTLP_TIMEOUT", "1500"},
          {"OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20abc, x-scope = a=b"},
          {"OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"},
          {"OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem"},
          {"OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=prod,service.name=other"},
          {"OTEL_SERVICE_NAME", "pictures"},
          {"OTEL_BSP_SCHEDULE_DELAY", "100"},
          {"OTEL_BSP_MAX_QUEUE_SIZE", "10"},
          {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5"},
          {"OTEL_PROPAGATORS", "tracecontext,baggage"}};
  const OtlpOptions options = Good();
  EXPECT_EQ(options.endpoint, "traces:4317");
  EXPECT_TRUE(options.tls.on);
  EXPECT_EQ(options.tls.authorities, "ca.pem");
  EXPECT_EQ(options.timeout, absl::Milliseconds(1500));
  EXPECT_THAT(options.headers, ElementsAre(Pair("authorization", "Bearer abc"), Pair("x-scope", "a=b")));
  EXPECT_TRUE(options.gzip);
  EXPECT_EQ(options.resource.at("service.name"), "pictures");
  EXPECT_EQ(options.resource.at("deployment.environment"), "prod");
  EXPECT_EQ(options.delay, absl::Milliseconds(100));
  EXPECT_EQ(options.max_queue, 10U);
  EXPECT_EQ(options.max_batch, 5U);
  EXPECT_TRUE(options.parent_decides);
  EXPECT_EQ(options.ratio, 1);
}

TEST_F(OtlpOptionsTest, WithoutASchemeItIsEncryptedUnlessSaidOtherwise) {
  set_["OTEL_EXPORTER_OTLP_ENDPOINT"] = "[::1]:4317";
  EXPECT_EQ(Good().endpoint, "[::1]:4317");
  EXPECT_TRUE(Good().tls.on);
  set_["OTEL_EXPORTER_OTLP_INSECURE"] = "TRUE";
  set_["OTEL_EXPORTER_OTLP_CERTIFICATE"] = "for-others.pem";
  EXPECT_FALSE(Good().tls.on);
  EXPECT_EQ(Good().tls.authorities, "");
}

TEST_F(OtlpOptionsTest, Samplers) {
  set_["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://there:4317";
  set_["OTEL_TRACES_SAMPLER"] = "always_off";
  EXPECT_EQ(Good().ratio, 0);
  EXPECT_FALSE(Good().parent_decides);
  set_["OTEL_TRACES_SAMPLER"] = "parentbased_traceidratio";
  EXPECT_EQ(Good().ratio, 1);
  set_["OTEL_TRACES_SAMPLER_ARG"] = "0.25";
  EXPECT_EQ(Good().ratio, 0.25);
  EXPECT_TRUE(Good().parent_decides);
}

TEST_F(OtlpOptionsTest, WhatIsNotSupportedIsNamedWithWhatIs) {
  const std::tuple<const char*, const char*, const char*> wrong[] = {
      {"OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", "is not grpc"},
      {"OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "zstd", "is not none or gzip"},
      {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://there", "is not http://HOST:PORT"},
      {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://there:4318/v1/traces", "is not http://HOST:PORT"},
      {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://there:70000", "is not http://HOST:PORT"},
      {"OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "is not a whole number from 1"},
      {"OTEL_BSP_MAX_QUEUE_SIZE", "0", "is not a whole number from 1"},
      {"OTEL_TRACES_SAMPLER", "jaeger_remote", "is not always_on, always_off or traceidratio"},
      {"OTEL_TRACES_SAMPLER_ARG", "2", "is not a number from 0 to 1"},
      {"OTEL_TRACES_EXPORTER", "zipkin", "is not otlp or none"},
      {"OTEL_PROPAGATORS", "b3", "is not a list with tracecontext"},
      {"OTEL_RESOURCE_ATTRIBUTES", "nonsense", "must be name=value"},
      {"OTEL_EXPORTER_OTLP_HEADERS", "hea der=1", "is not a header's name"},
      {"OTEL_EXPORTER_OTLP_HEADERS", "a=line%0abreak", "is not printable"}};
  for (const auto& [name, value, why] : wrong) {
    set_ = {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://there:4317"}, {"OTEL_TRACES_SAMPLER", "traceidratio"}};
    set_[name] = value;
    EXPECT_THAT(Wrong(), AllOf(HasSubstr(name), HasSubstr(why)));
  }
}

TEST_F(OtlpOptionsTest, HeadersAreNotRepeated) {
  set_ = {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://there:4317"},
          {"OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret,broken"}};
  EXPECT_THAT(Wrong(), AllOf(HasSubstr("OTEL_EXPORTER_OTLP_HEADERS"), Not(HasSubstr("secret"))));
}

}  // namespace
}  // namespace mind
