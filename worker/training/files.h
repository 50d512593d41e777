// Files that are whole or not there.
#ifndef MIND_WORKER_TRAINING_FILES_H_
#define MIND_WORKER_TRAINING_FILES_H_

#include <string>
#include <string_view>

namespace mind::training {

// Beside its name first, then under it: a reader, or whoever comes after a crash, sees the file before or the
// file after. Throws diffusion::Error naming the file.
void WriteFile(const std::string& path, std::string_view bytes);

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_FILES_H_
