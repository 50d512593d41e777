// A prompt as a turn of the conversation that a language model was trained on: what encoders of the Qwen
// family read in its stead. The texts are what those models' chat templates and diffusers' pipelines make.
#ifndef MIND_WORKER_DIFFUSION_TEXT_CHAT_PROMPT_H_
#define MIND_WORKER_DIFFUSION_TEXT_CHAT_PROMPT_H_

#include <cstdint>
#include <string>

namespace mind::diffusion {

// What the user says, up to where the assistant would begin to think about it. Marks in a prompt stay marks,
// as in the reference. Z-Image.
std::string ChatTurn(const std::string& prompt);
// Up to where the assistant would answer without having thought. FLUX.2 klein.
std::string ChatTurnWithoutThought(const std::string& prompt);

// The same after an instruction that the assistant has been given.
struct InstructedTurn {
  std::string text;
  // The states of so many tokens at the beginning, which are the instruction's in the published vocabulary,
  // are not told to the denoiser.
  int64_t instruction_tokens = 0;
};
// Qwen-Image.
InstructedTurn DescribingTurn(const std::string& prompt);
// Qwen-Image-Edit: `pictures` of them, numbered from 1, stand before the prompt; each is one <|image_pad|>
// here, which becomes as many as the picture has tokens.
InstructedTurn EditingTurn(const std::string& prompt, int64_t pictures);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_TEXT_CHAT_PROMPT_H_
