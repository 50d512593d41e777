// FLUX.1: its transformer on recorded arguments, also from its authors' and quantised files and with LoRAs,
// and whole pictures.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_FLUX_CASES_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_FLUX_CASES_H_

#include <nlohmann/json.hpp>
#include <string>

#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/models/flux_transformer.h"

namespace mind::diffusion {

// Whether the case, an item of an index of components/, was of that, and has been run.
bool RanFluxCase(const GoldenOptions& options, const nlohmann::json& item, Report& report);

// Compares what the transformer makes of the record's arguments, which are tokens, with its answer.
void CheckFluxTransformer(const FluxTransformer& transformer, const Record& record,
                          const GoldenOptions& options, Report::Case& result);

// Of e2e/.
bool IsFlux(const std::string& pipeline);
void CheckFlux(const nlohmann::json& item, const Record& record, const GoldenOptions& options,
               Report::Case& result);

// formats/lora, where its index is of such a transformer: whether it is.
bool RanFluxLoraCases(const GoldenOptions& options, const nlohmann::json& index, Report& report);
// formats/quantized, and models under their authors' names beside the same ones under diffusers'.
void RunFluxFormatCases(const GoldenOptions& options, Report& report);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_FLUX_CASES_H_
