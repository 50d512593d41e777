#include "server/generation/job_traces.h"

#include <gmock/gmock.h>

#include <map>

#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

using ::testing::ElementsAre;

class JobTracesTest : public ServiceRig, private SpanSink {
 protected:
  JobTracesTest() { options_.spans = this; }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const Span& span : spans_) names.push_back(span.name);
    return names;
  }
  Caller Traced() const { return {.tenant = "default", .traceparent = ToTraceparent(callers_)}; }

  const TraceContext callers_ = NewTrace(true);
  std::vector<Span> spans_;
  bool samples_ = true;

 private:
  bool Samples(const std::optional<TraceContext>& parent, const TraceContext&) const override {
    return parent ? parent->sampled : samples_;
  }
  void Add(Span span) override { spans_.push_back(std::move(span)); }
};

TEST_F(JobTracesTest, AJobIsOneTreeFromItsRequestToItsPicture) {
  const auto worker = Connect("w", 1);
  const auto job = Submit(SmallRequest(), Traced());
  ASSERT_TRUE(job.ok()) << job.status();
  Finish(worker, job->id());
  ASSERT_THAT(Names(), ElementsAre("queue", "request", "store"));
  const Span& request = spans_[1];
  EXPECT_EQ(request.parent->span, callers_.span);
  for (const Span& span : spans_) EXPECT_EQ(span.context.trace, callers_.trace);
  EXPECT_EQ(spans_[0].parent->span, request.context.span);
  EXPECT_EQ(spans_[2].parent->span, request.context.span);
  // The worker's are under it too.
  EXPECT_EQ(job->traceparent(), ToTraceparent(request.context));
  EXPECT_EQ(worker->Assigned().at(0).traceparent(), job->traceparent());
}

TEST_F(JobTracesTest, ATreeGoesOnAfterAHandOverAndARestart) {
  const auto first = Connect("first", 1);
  const auto job = Submit(SmallRequest(), Traced());
  ASSERT_TRUE(job.ok()) << job.status();
  Tick(absl::Seconds(5));
  Lose(first);
  const absl::Time lost = now_;
  Tick(absl::Seconds(5));
  Connect("second", 1);
  Tick(absl::Seconds(5));
  Restart();
  const absl::Time restarted = now_;
  const auto third = Connect("third", 1);
  Finish(third, job->id());
  ASSERT_THAT(Names(), ElementsAre("queue", "request", "queue", "queue", "store"));
  for (const Span& span : spans_) {
    EXPECT_EQ(span.context.trace, callers_.trace);
    if (span.name == "request") continue;
    EXPECT_EQ(ToTraceparent(*span.parent), job->traceparent());
  }
  EXPECT_EQ(spans_[2].start, lost);
  EXPECT_EQ(spans_[3].start, restarted);
  EXPECT_EQ(third->Assigned().at(0).traceparent(), job->traceparent());
}

TEST_F(JobTracesTest, ErrorsSayWhichTraceTheyBelongTo) {
  v1::JobRequest wrong = SmallRequest();
  wrong.mutable_spec()->set_steps(1'000'000);
  Connect("w", 0);
  const absl::Status refused = Submit(wrong, Traced()).status();
  EXPECT_EQ(GetErrorInfo(refused)->metadata().at("traceId"), callers_.TraceId());
  ASSERT_THAT(Names(), ElementsAre("request"));
  EXPECT_EQ(spans_[0].error, refused.message());

  const auto job = Submit(SmallRequest(), Traced());
  ASSERT_TRUE(job.ok()) << job.status();
  const auto cancelled = Cancel(job->id());
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(GetErrorInfo(FromProto(cancelled->error()))->metadata().at("traceId"), callers_.TraceId());
}

TEST_F(JobTracesTest, WhatIsNotSampledIsCarriedAndNotTold) {
  Connect("w", 1);
  samples_ = false;
  const auto own = Submit(SmallRequest());
  ASSERT_TRUE(own.ok()) << own.status();
  ASSERT_TRUE(ParseTraceparent(own->traceparent()));
  EXPECT_FALSE(ParseTraceparent(own->traceparent())->sampled);
  EXPECT_TRUE(spans_.empty());

  options_.spans = nullptr;
  Restart();
  EXPECT_EQ(Submit(SmallRequest())->traceparent(), "");
  EXPECT_EQ(Submit(SmallRequest(), Traced())->traceparent(), ToTraceparent(callers_));
  EXPECT_EQ(Submit(SmallRequest(), {.traceparent = "nonsense"})->traceparent(), "");
}

TEST_F(JobTracesTest, CarryWhatTracingSystemsSayBeside) {
  Connect("w", 0);
  Caller caller = Traced();
  caller.tracestate = "vendor=x";
  const auto job = Submit(SmallRequest(), caller);
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->tracestate(), "vendor=x");
  Restart();
  const auto worker = Connect("w", 1);
  EXPECT_EQ(worker->Assigned().at(0).tracestate(), "vendor=x");
  ASSERT_FALSE(spans_.empty());
  for (const Span& span : spans_) EXPECT_EQ(span.context.state, "vendor=x") << span.name;
  EXPECT_EQ(Submit(SmallRequest(), {.tracestate = "vendor=x"})->tracestate(), "") << "it has no trace";
}

}  // namespace
}  // namespace mind::server
