#include "worker/link/attempt_trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/worker/reports.h"

namespace mind {
namespace {

using diffusion::SideWork;
using ::testing::ElementsAre;

class AttemptTraceTest : public testing::Test, private SpanSink {
 protected:
  AttemptTrace::Options Options(const std::string& traceparent) {
    return {.sink = this, .traceparent = traceparent, .worker = "w", .clock = [this] {
              return absl::UnixEpoch() + absl::Seconds(++seconds_);
            }};
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const Span& span : spans_) names.push_back(span.name);
    return names;
  }
  static std::string Text(const Span& span, const std::string& name) {
    for (const auto& [key, value] : span.attributes) {
      if (key == name) return std::get<std::string>(value);
    }
    return "";
  }

  std::vector<Span> spans_;
  const TraceContext job_ = NewTrace(true);

 private:
  bool Samples(const std::optional<TraceContext>&, const TraceContext&) const override { return true; }
  void Add(Span span) override { spans_.push_back(std::move(span)); }

  int seconds_ = 0;
};

TEST_F(AttemptTraceTest, ItsPartsFollowOneAnotherUnderIt) {
  AttemptTrace trace(Options(ToTraceparent(job_)), Ref("job", 2));
  trace.OnSideWork(SideWork::kLoading);
  trace.OnSideWork(SideWork::kEncoding);
  trace.OnStarted(3);
  trace.OnStep();
  trace.OnEvent("preview", 4);
  trace.OnSideWork(SideWork::kUpscaling);
  trace.OnStep();
  trace.OnSideWork(SideWork::kDecoding);
  EXPECT_TRUE(spans_.empty()) << "none is told of before that which it is under";
  trace.OnEnd("finished");
  EXPECT_THAT(Names(), ElementsAre("attempt", "load", "encode", "denoise", "upscale", "denoise", "decode"));
  const Span& attempt = spans_[0];
  EXPECT_EQ(attempt.parent->span, job_.span);
  EXPECT_EQ(attempt.context.trace, job_.trace);
  EXPECT_EQ(attempt.kind, Span::Kind::kConsumer);
  EXPECT_EQ(Text(attempt, "mind.job"), "job");
  EXPECT_EQ(Text(attempt, "mind.worker"), "w");
  EXPECT_EQ(Text(attempt, "mind.outcome"), "finished");
  EXPECT_EQ(attempt.error, "");
  absl::Time before = attempt.start;
  for (size_t i = 1; i < spans_.size(); ++i) {
    EXPECT_EQ(spans_[i].parent->span, attempt.context.span);
    EXPECT_GE(spans_[i].start, before);
    EXPECT_GE(spans_[i].end, spans_[i].start);
    before = spans_[i].end;
  }
  EXPECT_EQ(attempt.end, before);
  EXPECT_EQ(spans_[3].events.at(0).name, "preview");
}

TEST_F(AttemptTraceTest, AFailureSaysWhyAndAnEndIsToldOnce) {
  AttemptTrace trace(Options(ToTraceparent(job_)), Ref("job", 0));
  trace.OnStarted(0);
  for (int i = 0; i < 1000; ++i) trace.OnEvent("checkpoint", i);
  trace.OnEnd("failed", "out of memory");
  trace.OnEnd("cancelled");
  ASSERT_THAT(Names(), ElementsAre("attempt", "denoise"));
  EXPECT_EQ(spans_[0].error, "out of memory");
  EXPECT_LE(spans_[1].events.size(), 64U);
}

TEST_F(AttemptTraceTest, WhatNobodySamplesIsNotTold) {
  TraceContext unsampled = job_;
  unsampled.sampled = false;
  for (const std::string& traceparent : {ToTraceparent(unsampled), std::string(), std::string("nonsense")}) {
    AttemptTrace trace(Options(traceparent), Ref("job", 0));
    trace.OnStarted(0);
    trace.OnEvent("preview", 1);
    trace.OnEnd("finished");
  }
  AttemptTrace nobody({.traceparent = ToTraceparent(job_)}, Ref("job", 0));
  nobody.OnStarted(0);
  nobody.OnEnd("finished");
  EXPECT_TRUE(spans_.empty());
}

}  // namespace
}  // namespace mind
