// Tells one copy of a model's files from another without reading gigabytes.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_FILE_HASH_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_FILE_HASH_H_

#include <cstdint>
#include <string>
#include <vector>

namespace mind::diffusion {

// Goes on from `hash`: over the file's size and what is in it, of large files the beginning (where
// safetensors name their tensors) and blocks spread evenly over the rest. Weights trained further differ in
// all of them. Throws ModelError.
uint64_t HashOfFile(const std::string& path, uint64_t hash);

// The small files beside weights that shape pictures: configurations and vocabularies, in a model's directory
// and its components' folders, in the order of their names within it.
std::vector<std::string> SmallFiles(const std::string& directory);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_FILE_HASH_H_
