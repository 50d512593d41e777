// Which files and folders lie where a model directory looks for them. What is not there or cannot be read is
// taken as absent.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_MODEL_FILES_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_MODEL_FILES_H_

#include <map>
#include <string>

namespace mind::diffusion {

inline constexpr char kSafeTensors[] = ".safetensors";

bool IsFile(const std::string& path);
// Whether a component's folder has weights of its own.
bool HasWeights(const std::string& folder);
// The .safetensors files in a folder by their names without that.
std::map<std::string, std::string> SafeTensorsIn(const std::string& folder);
// In a folder of Hugging Face's cache ("models--org--name") the snapshot that refs/main names; empty for any
// other folder.
std::string SnapshotIn(const std::string& path);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_MODEL_FILES_H_
