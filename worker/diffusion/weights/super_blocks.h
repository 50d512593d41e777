// The types of GGUF whose blocks have blocks in them: 256 numbers, in groups of 16 or 32 whose scales are
// themselves numbers of a few bits ("K"). For FindBlockType.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_SUPER_BLOCKS_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_SUPER_BLOCKS_H_

#include <cstdint>

namespace mind::diffusion {

inline constexpr int kSuperBlock = 256;

// What four bits stand for in the IQ4 types: denser around nought.
inline constexpr float kUnevenLevels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                            1,    13,   25,  38,  53,  69,  89,  113};

void DecodeQ2K(const uint8_t* block, float* numbers);
void DecodeQ3K(const uint8_t* block, float* numbers);
void DecodeQ4K(const uint8_t* block, float* numbers);
void DecodeQ5K(const uint8_t* block, float* numbers);
void DecodeQ6K(const uint8_t* block, float* numbers);
void DecodeIq4Xs(const uint8_t* block, float* numbers);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_SUPER_BLOCKS_H_
