#include "server/scale/scaler_api.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/support/time.h"
#include "server/dispatch/loop.h"
#include "tests/unit/http/face_rig.h"
#include "tests/unit/server/key_rig.h"

namespace mind::server {
namespace {

using externalscaler::IsActiveResponse;

class ScalerApiTest : public ::testing::Test {
 protected:
  ScalerApiTest() {
    key_ = AddKey(table_, KeyLike("ops", {v1::SCOPE_SCALE}));
    book_.SetFile(table_);
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&api_);
    server_ = builder.BuildAndStart();
    stub_ = externalscaler::ExternalScaler::NewStub(
        grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials()));
    loop_.Start([this] { api_.OnTick(); });
  }
  ~ScalerApiTest() override {
    loop_.Run([this] { api_.Close(); });
    server_->Shutdown();
    server_->Wait();
    loop_.Stop();
  }

  externalscaler::ScaledObjectRef Trigger(const std::string& model) const {
    externalscaler::ScaledObjectRef object;
    (*object.mutable_scalermetadata())["model"] = model;
    (*object.mutable_scalermetadata())["targetSeconds"] = "12.5";
    (*object.mutable_scalermetadata())["keyFromEnv"] = key_;
    return object;
  }
  // From now on this is what waits of a model.
  void SetWaiting(const std::string& model, int jobs, double seconds) {
    loop_.Run([&] {
      generation_.work.Clear();
      if (jobs == 0) return;
      internal::v1::ModelWork& work = *generation_.work.add_models();
      work.set_model(model);
      work.set_waiting_jobs(jobs);
      work.set_waiting_seconds(seconds);
    });
  }
  absl::StatusOr<bool> IsActive(const externalscaler::ScaledObjectRef& object) {
    grpc::ClientContext context;
    IsActiveResponse response;
    const absl::Status status = FromGrpc(stub_->IsActive(&context, object, &response));
    if (!status.ok()) return status;
    return response.result();
  }
  void Revoke() {
    for (auto& [id, key] : table_.keys) *key.mutable_key()->mutable_revoke_time() = ToTimestamp(absl::Now());
    book_.SetFile(table_);
  }

  KeyTable table_;
  std::string key_;
  KeyBook book_;
  Gatekeeper gatekeeper_{{.keys = &book_, .clock = [] { return absl::Now(); }, .steady_clock = SteadyNow}};
  FakeGeneration generation_;
  ServerMetrics metrics_;
  Loop loop_{absl::Milliseconds(10)};
  ScalerApi api_{[this](std::function<void()> work) { loop_.Post(std::move(work)); }, generation_, metrics_,
                 gatekeeper_};
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<externalscaler::ExternalScaler::Stub> stub_;
};

TEST_F(ScalerApiTest, SaysHowMuchThereIsAndHowMuchOneReplicaIsFor) {
  SetWaiting("sd15", 3, 40.25);
  grpc::ClientContext spec_call, metric_call;
  externalscaler::GetMetricSpecResponse spec;
  ASSERT_TRUE(stub_->GetMetricSpec(&spec_call, Trigger("sd15"), &spec).ok());
  ASSERT_EQ(spec.metricspecs_size(), 1);
  EXPECT_EQ(spec.metricspecs(0).targetsizefloat(), 12.5);
  EXPECT_EQ(spec.metricspecs(0).targetsize(), 13);
  externalscaler::GetMetricsRequest request;
  *request.mutable_scaledobjectref() = Trigger("sd15");
  request.set_metricname(spec.metricspecs(0).metricname());
  externalscaler::GetMetricsResponse metrics;
  ASSERT_TRUE(stub_->GetMetrics(&metric_call, request, &metrics).ok());
  ASSERT_EQ(metrics.metricvalues_size(), 1);
  EXPECT_EQ(metrics.metricvalues(0).metricname(), request.metricname());
  EXPECT_EQ(metrics.metricvalues(0).metricvaluefloat(), 40.25);
  EXPECT_EQ(metrics.metricvalues(0).metricvalue(), 41);
  EXPECT_EQ(*IsActive(Trigger("sd15")), true);
  EXPECT_EQ(*IsActive(Trigger("sdxl")), false);
}

TEST_F(ScalerApiTest, AStreamSaysItOnceAndAtEveryChange) {
  grpc::ClientContext context;
  const auto stream = stub_->StreamIsActive(&context, Trigger("sd15"));
  IsActiveResponse active;
  ASSERT_TRUE(stream->Read(&active));
  EXPECT_FALSE(active.result());
  SetWaiting("sd15", 1, 5);
  ASSERT_TRUE(stream->Read(&active));
  EXPECT_TRUE(active.result());
  SetWaiting("sd15", 2, 9);  // no change of what is told
  SetWaiting("sd15", 0, 0);
  ASSERT_TRUE(stream->Read(&active));
  EXPECT_FALSE(active.result());
  // A server that goes down ends it well: KEDA then opens another at once.
  loop_.Run([this] { api_.Close(); });
  EXPECT_FALSE(stream->Read(&active));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(ScalerApiTest, WhileNothingIsKnownAStreamSaysNothingAndStands) {
  loop_.Run([this] { generation_.refuse = absl::UnavailableError("nobody leads"); });
  EXPECT_EQ(GetErrorInfo(IsActive(Trigger("sd15")).status())->reason(), "WORK_UNKNOWN");
  grpc::ClientContext context;
  const auto stream = stub_->StreamIsActive(&context, Trigger("sd15"));
  loop_.Run([this] { generation_.refuse = absl::OkStatus(); });
  SetWaiting("sd15", 1, 5);
  IsActiveResponse active;
  ASSERT_TRUE(stream->Read(&active));
  EXPECT_EQ(*IsActive(Trigger("sd15")), true);
  loop_.Run([this] { generation_.refuse = absl::UnavailableError("nobody leads"); });
  EXPECT_EQ(*IsActive(Trigger("sd15")), true) << "what was known last";
  context.TryCancel();
}

TEST_F(ScalerApiTest, WhatCannotBeAnsweredIsRefusedByName) {
  EXPECT_EQ(GetBadRequest(IsActive(Trigger("")).status())->field_violations(0).field(),
            "scalerMetadata.model");
  grpc::ClientContext stream_call, metric_call;
  const auto stream = stub_->StreamIsActive(&stream_call, Trigger(""));
  IsActiveResponse active;
  EXPECT_FALSE(stream->Read(&active));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  externalscaler::GetMetricsRequest request;
  *request.mutable_scaledobjectref() = Trigger("sd15");
  request.set_metricname("queue_length");
  externalscaler::GetMetricsResponse metrics;
  const absl::Status status = FromGrpc(stub_->GetMetrics(&metric_call, request, &metrics));
  EXPECT_EQ(GetBadRequest(status)->field_violations(0).field(), "metricName");
}

TEST_F(ScalerApiTest, AKeyThatIsRevokedEndsItsStream) {
  grpc::ClientContext context;
  const auto stream = stub_->StreamIsActive(&context, Trigger("sd15"));
  IsActiveResponse active;
  ASSERT_TRUE(stream->Read(&active));
  Revoke();
  EXPECT_FALSE(stream->Read(&active));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(GetErrorInfo(IsActive(Trigger("sd15")).status())->reason(), "API_KEY_REVOKED");
}

}  // namespace
}  // namespace mind::server
