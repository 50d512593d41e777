// What the records of text-to-image models have in common: how a case says what was asked for, and what its
// first evaluation was told.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_TEXT_REQUEST_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_TEXT_REQUEST_H_

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>
#include <string>

#include "worker/diffusion/golden/record.h"
#include "worker/diffusion/golden/report.h"
#include "worker/diffusion/pipelines/pipeline.h"
#include "worker/diffusion/pipelines/text_to_image.h"

namespace mind::diffusion {

// The fields of a case of diffusers' or the web UI's, for its prompt of this number.
void ReadTextRequest(const nlohmann::json& item, int64_t number, PictureRequest& request);

// The pictures that a model goes by, "in.image0" and so on, [1, 3, H, W] of bytes.
void ReadReferences(const Record& record, Source& source);

// What a case's pictures may be off by, relative to the largest value: `least`, or twenty times the most that
// the reference differs from itself between float32 and float64.
double ToleranceByFloors(const nlohmann::json& item, double least);

// The ids of the prompts, "prompt_ids" and "prompt_ids_2", by the tokenizers that the model has: a refiner's
// is the second. `prefix`: what is before that in the tensors' names.
void CheckTextIds(const TextToImagePipeline& model, const nlohmann::json& item, const Record& record,
                  const std::string& prefix, Report::Case& result);

// Prompts that were recorded as the denoiser is told them, those of the web UI's cases.
void CheckTold(const Record& record, const Conditioning& conditioning, int64_t row, Report::Case& result);

// Where the rows of a picture stand in a record's batches: diffusers puts those that guidance leads away from
// first, as we do, or last.
enum class RowOrder { kAsOurs, kReversed };

// The record's "unet0.": arguments and result of the first call for all rows of a batch. `prefix`: what is
// before that in the tensors' names.
void CheckFirstCall(const Record& record, const Pipeline& pipeline, const Conditioning& conditioning,
                    int64_t row, const at::Tensor& input, double timestep, Report::Case& result,
                    const std::string& prefix = "", RowOrder order = RowOrder::kAsOurs);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_TEXT_REQUEST_H_
