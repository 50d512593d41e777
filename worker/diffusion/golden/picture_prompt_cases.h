// Pictures that are prompts (IP-Adapter): what whole pictures' cases say of them, UNets with them in
// components/, and their masks in preprocess/.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_PICTURE_PROMPT_CASES_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_PICTURE_PROMPT_CASES_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "worker/diffusion/golden/record.h"
#include "worker/diffusion/golden/report.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/pipelines/text_to_image.h"

namespace mind::diffusion {

// The name that the adapter of this number is given beside a model.
std::string PictureAdapterName(size_t number);

// The pictures of a case of whole pictures, which are the same for all of these; none where it has none.
std::vector<PromptPicture> PromptPicturesOf(const nlohmann::json& item, const Record& record,
                                            at::Device device);
// What CLIP sees of them and makes of them, as far as that is recorded.
void CheckPromptPictures(const TextToImagePipeline& model, const std::vector<PromptPicture>& pictures,
                         const Record& record, int64_t row, int64_t rows, Report::Case& result);

// Whether the case, as components/index.json lists it, was of a UNet with an adapter, and has been run.
bool RanPicturePromptCase(const GoldenOptions& options, const nlohmann::json& item, Report& report);

// A mask at the made picture's size, and what queries see of it.
void CheckPromptMask(const Record& record, Report::Case& result);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_PICTURE_PROMPT_CASES_H_
