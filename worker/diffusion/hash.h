// A hash that is the same everywhere, always.
#ifndef MIND_WORKER_DIFFUSION_HASH_H_
#define MIND_WORKER_DIFFUSION_HASH_H_

#include <cstdint>
#include <string_view>

namespace mind::diffusion {

// FNV-1a, 64 bit: tells things apart and finds damage, does not keep forgers out. `hash` goes on from earlier
// bytes.
inline uint64_t HashOf(std::string_view bytes, uint64_t hash = 0xcbf29ce484222325) {
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  return hash;
}

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_HASH_H_
