#include "server/generation/resolve_sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace mind::server {
namespace {

using testing::HasSubstr;

v1::SamplerParameter* AddParameter(v1::Sampler* sampler, const char* name, v1::ParameterKind kind, double min,
                                   double max) {
  v1::SamplerParameter* const parameter = sampler->add_parameters();
  parameter->set_name(name);
  parameter->set_kind(kind);
  parameter->set_min(min);
  parameter->set_max(max);
  return parameter;
}

v1::Model TestModel() {
  v1::Model model;
  model.set_default_steps(30);
  model.set_max_steps(1000);
  model.set_default_sampler("ddim");
  v1::Sampler* const ddim = model.add_samplers();
  ddim->set_name("ddim");
  ddim->set_evaluations_per_step(1);
  ddim->add_aliases("DDIMScheduler");
  AddParameter(ddim, "eta", v1::PARAMETER_KIND_NUMBER, 0, 1);
  AddParameter(ddim, "order", v1::PARAMETER_KIND_INTEGER, 1, 3);
  AddParameter(ddim, "clipped", v1::PARAMETER_KIND_FLAG, 0, 0);
  AddParameter(ddim, "timesteps", v1::PARAMETER_KIND_NUMBERS, 0, 1e6);
  AddParameter(ddim, "sigmas", v1::PARAMETER_KIND_NUMBERS, 0, 1e4)->set_more_than_steps(1);
  v1::SamplerParameter* const spacing = AddParameter(ddim, "spacing", v1::PARAMETER_KIND_CHOICE, 0, 0);
  spacing->add_choices("leading");
  spacing->add_choices("trailing");
  v1::SamplerParameter* const inner = AddParameter(ddim, "inner", v1::PARAMETER_KIND_INTEGER, 1, 100);
  inner->set_evaluations_per_step(1);
  inner->mutable_default_value()->set_number_value(1);
  v1::Sampler* const adaptive = model.add_samplers();
  adaptive->set_name("ode_rk45");
  adaptive->set_evaluations(75);
  return model;
}

google::protobuf::Value List(std::initializer_list<double> numbers) {
  google::protobuf::Value value;
  for (const double number : numbers) value.mutable_list_value()->add_values()->set_number_value(number);
  return value;
}

TEST(ResolveSampler, ASamplerMayTakeFewerStepsThanTheModelUnlessItIsToldMore) {
  v1::Model model = TestModel();
  model.mutable_samplers(0)->set_max_steps(999);
  v1::ImageSpec spec;
  spec.set_steps(1000);
  EXPECT_THAT(ResolveSampler(model, spec).message(),
              HasSubstr("spec.steps: 1000 given; it must be 1 to 999 with ddim"));
  (*spec.mutable_sampler_parameters())["spacing"].set_string_value("trailing");
  EXPECT_TRUE(ResolveSampler(model, spec).ok());
}

TEST(ResolveSampler, TakesTheDefaultAndAliasesInAnyCase) {
  v1::ImageSpec spec;
  ASSERT_TRUE(ResolveSampler(TestModel(), spec).ok());
  EXPECT_EQ(spec.sampler(), "ddim");
  EXPECT_EQ(spec.steps(), 30U);
  for (const char* name : {"DDIM", "ddimscheduler", "ddim"}) {
    spec.set_sampler(name);
    ASSERT_TRUE(ResolveSampler(TestModel(), spec).ok()) << name;
    EXPECT_EQ(spec.sampler(), "ddim");
  }
}

TEST(ResolveSampler, AListDecidesTheSteps) {
  v1::ImageSpec spec;
  (*spec.mutable_sampler_parameters())["timesteps"] = List({900, 500, 3});
  ASSERT_TRUE(ResolveSampler(TestModel(), spec).ok());
  EXPECT_EQ(spec.steps(), 3U);
  v1::ImageSpec sigmas;
  (*sigmas.mutable_sampler_parameters())["sigmas"] = List({14, 2, 0});
  ASSERT_TRUE(ResolveSampler(TestModel(), sigmas).ok());
  EXPECT_EQ(sigmas.steps(), 2U);
  sigmas.set_steps(5);
  EXPECT_THAT(ResolveSampler(TestModel(), sigmas).message(),
              testing::AllOf(HasSubstr("spec.steps: 5 given"), HasSubstr("makes 2")));
}

TEST(ResolveSampler, CountsEvaluationsNotSteps) {
  const v1::Model model = TestModel();
  v1::ImageSpec spec;
  spec.set_sampler("ddim");
  spec.set_steps(10);
  EXPECT_EQ(EvaluationsOfPicture(spec, &model), 10);
  (*spec.mutable_sampler_parameters())["inner"].set_number_value(5);
  EXPECT_EQ(EvaluationsOfPicture(spec, &model), 50);
  spec.set_sampler("ode_rk45");
  EXPECT_EQ(EvaluationsOfPicture(spec, &model), 75);
  EXPECT_EQ(EvaluationsOfPicture(spec, nullptr), 10);
}

struct Refusal {
  const char* name;
  std::function<void(v1::ImageSpec&)> spoil;
  const char* message;
};

class ResolveSamplerRefuses : public testing::TestWithParam<Refusal> {};

TEST_P(ResolveSamplerRefuses, WithAPreciseError) {
  v1::ImageSpec spec;
  GetParam().spoil(spec);
  const absl::Status status = ResolveSampler(TestModel(), spec);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr(GetParam().message));
}

const Refusal kRefusals[] = {
    {"UnknownSampler", [](auto& s) { s.set_sampler("magic"); },
     "spec.sampler: \"magic\" is not known; known: ddim, ode_rk45"},
    {"UnknownParameter", [](auto& s) { (*s.mutable_sampler_parameters())["zeta"].set_number_value(1); },
     "spec.sampler_parameters[zeta]: the sampler \"ddim\" has no such parameter; it has: eta, order"},
    {"AboveRange", [](auto& s) { (*s.mutable_sampler_parameters())["eta"].set_number_value(1.5); },
     "spec.sampler_parameters[eta]: 1.5 given; it must be a number from 0 to 1"},
    {"NotANumber", [](auto& s) { (*s.mutable_sampler_parameters())["eta"].set_number_value(NAN); },
     "nan given"},
    {"WordForNumber", [](auto& s) { (*s.mutable_sampler_parameters())["eta"].set_string_value("much"); },
     "\"much\" given; it must be a number"},
    {"FractionForInteger", [](auto& s) { (*s.mutable_sampler_parameters())["order"].set_number_value(1.5); },
     "1.5 given; it must be a whole number from 1 to 3"},
    {"NumberForFlag", [](auto& s) { (*s.mutable_sampler_parameters())["clipped"].set_number_value(1); },
     "1 given; it must be true or false"},
    {"UnknownChoice", [](auto& s) { (*s.mutable_sampler_parameters())["spacing"].set_string_value("tight"); },
     "\"tight\" given; it must be one of leading, trailing"},
    {"RisingList",
     [](auto& s) {
       (*s.mutable_sampler_parameters())["timesteps"] = List({1, 2});
     },
     "a list of 2 given; it must be a falling list of at least 1 numbers"},
    {"EmptyList", [](auto& s) { (*s.mutable_sampler_parameters())["timesteps"] = List({}); }, "null given"},
    {"ShortList", [](auto& s) { (*s.mutable_sampler_parameters())["sigmas"] = List({1}); },
     "at least 2 numbers"},
    {"TwoLists",
     [](auto& s) {
       (*s.mutable_sampler_parameters())["timesteps"] = List({3, 2, 1});
       (*s.mutable_sampler_parameters())["sigmas"] = List({1, 0});
     },
     "two lists that make different step counts"},
    {"Object", [](auto& s) { (*s.mutable_sampler_parameters())["eta"].mutable_struct_value(); },
     "an object given"},
    {"NoSteps", [](auto& s) { s.set_steps(0); }, "spec.steps: 0 given; it must be 1 to 1000"},
    {"TooManySteps", [](auto& s) { s.set_steps(1001); }, "spec.steps: 1001 given"},
};

INSTANTIATE_TEST_SUITE_P(All, ResolveSamplerRefuses, testing::ValuesIn(kRefusals),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace mind::server
