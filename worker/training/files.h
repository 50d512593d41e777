// Files and folders that are whole or not there.
#ifndef MIND_WORKER_TRAINING_FILES_H_
#define MIND_WORKER_TRAINING_FILES_H_

#include <functional>
#include <string>
#include <string_view>

namespace mind::training {

// Beside its name first, on the disk, then under it: a reader, or whoever comes after a crash, sees the file
// before or the file after. Throws diffusion::Error naming the file.
void WriteFile(const std::string& path, std::string_view bytes);

// Likewise a folder, which `fill` fills at the path it is given: what was under the name before is replaced
// as a whole, so that no reader finds files of two.
void WriteFolder(const std::string& path, const std::function<void(const std::string& beside)>& fill);

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_FILES_H_
