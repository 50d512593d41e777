// The parts of a diffusers model: as a run's "network" names them, and as files.
#ifndef MIND_WORKER_TRAINING_MODEL_FILES_H_
#define MIND_WORKER_TRAINING_MODEL_FILES_H_

#include <nlohmann/json.hpp>
#include <string>

#include "worker/diffusion/weights/json_file.h"
#include "worker/training/parameters.h"

namespace mind::training {

// A part whose configuration is in the run's file. Throws diffusion::ModelError where it is not there.
diffusion::Config PartOf(const nlohmann::json& network, const std::string& part);
// A part that the model takes over from a folder. Throws diffusion::ModelError where there is none.
std::string FolderOf(const nlohmann::json& network, const std::string& part);

void WriteJson(const std::string& folder, const std::string& name, const nlohmann::json& json);
// The files of a folder, none of its folders.
void CopyFolder(const std::string& from, const std::string& to);
// The parameters whose names begin with `part` and a dot, without that, in fp16, as directory/part/file.
void WriteWeights(const std::string& directory, const std::string& part, const std::string& file,
                  const Tensors& parameters);
// Reads them back, under the names they had.
Tensors ReadWeights(const std::string& directory, const std::string& part);

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_MODEL_FILES_H_
