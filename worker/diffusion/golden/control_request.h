// What the records of steered models have in common: how a case says what steers it, and what was added
// where.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_CONTROL_REQUEST_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_CONTROL_REQUEST_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "worker/diffusion/golden/record.h"
#include "worker/diffusion/golden/report.h"
#include "worker/diffusion/models/control.h"
#include "worker/diffusion/pipelines/guidance.h"
#include "worker/diffusion/pipelines/start.h"

namespace mind::diffusion {

// The directories of a case's ControlNets or T2I-Adapters, and what each is called beside the model.
std::vector<std::string> ControlNetworksOf(const nlohmann::json& item);
std::string ControlName(size_t number);

// The pictures of a case's controls, for its picture number `row` of `rows`.
std::vector<ControlPicture> ControlPicturesOf(const nlohmann::json& item, const Record& record, int64_t row,
                                              int64_t rows, at::Device device);

// What the record has of what the networks saw, and of what the adapters made of it.
void CheckControls(const Record& record, const Conditioning& conditioning, int64_t row, int64_t rows,
                   Report::Case& result);

// What is added for one row at one call, and whether it is what was recorded: zeros, where nothing is added.
Additions AdditionsFor(const Told& told, const at::Tensor& input, double timestep);
void CheckAdded(const std::string& what, const at::Tensor& added, const at::Tensor& expected,
                Report::Case& result);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_CONTROL_REQUEST_H_
