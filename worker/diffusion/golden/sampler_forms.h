// What the cases of schedulers/ share, and those that are recorded in a form of their own.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_SAMPLER_FORMS_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_SAMPLER_FORMS_H_

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>

#include "worker/diffusion/golden/record.h"
#include "worker/diffusion/golden/report.h"

namespace mind::diffusion {

// The closed-form model of the golden README: (a·x)·cos(t/1000) + b·sin(c·x), float32, in this order.
at::Tensor FakeModel(const nlohmann::json& model, const at::Tensor& x, double timestep);

// Of a case's samples, relative to the largest value.
double SamplerTolerance(const nlohmann::json& item);

// Each returns false without checking anything if the case is not of its form.
bool CheckRespacing(const nlohmann::json& item, Report::Case& result);
bool CheckRepaint(const nlohmann::json& item, const Record& record, Report::Case& result);
bool CheckScoreSde(const nlohmann::json& item, const Record& record, Report::Case& result);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_SAMPLER_FORMS_H_
