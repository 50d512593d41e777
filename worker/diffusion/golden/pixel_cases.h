// End-to-end cases of models on pixels, whose records differ from those of diffusers' other pipelines.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_PIXEL_CASES_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_PIXEL_CASES_H_

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "worker/diffusion/golden/record.h"
#include "worker/diffusion/golden/report.h"
#include "worker/diffusion/pipelines/pipeline.h"

namespace mind::diffusion {

struct PixelCase {
  const nlohmann::json& item;
  const Record& record;
  const Pipeline& pipeline;
  const std::filesystem::path model;  // its directory
};

using PixelCheck = void (*)(const PixelCase&, Report::Case&);

// How a pipeline of this name was recorded; null: in no form of its own.
PixelCheck PixelCheckFor(const std::string& pipeline);

// The report's DDPM: x after every step, its noise in drawing order.
void CheckReportChain(const PixelCase& c, Report::Case& result);
// Score-SDE: what its network is asked and answers, corrector and predictor by turns.
void CheckScoreSdeChain(const PixelCase& c, Report::Case& result);
// GLIDE's two stages, each by itself: the second is fed the recorded picture of the first, since rounding
// that to bytes turns the smallest difference into a visible one.
void CheckGlideStages(const PixelCase& c, Report::Case& result);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_PIXEL_CASES_H_
