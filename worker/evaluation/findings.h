// What was found out, as people read it.
#ifndef MIND_WORKER_EVALUATION_FINDINGS_H_
#define MIND_WORKER_EVALUATION_FINDINGS_H_

#include <optional>
#include <string>
#include <vector>

#include "worker/evaluation/judge.h"

namespace mind::evaluation {

// About the pictures of one model, folder or autoencoder.
struct Findings {
  std::string subject;
  int64_t pictures = 0, width = 0, height = 0;
  std::vector<Prompt> prompts = {};          // one a picture, or none at all
  std::optional<double> fid = {}, kid = {};  // none: there was no reference
  std::optional<Judgement> judgement = {};   // none: no classifier, or no prompts
};

// A Markdown table, a row each, whose columns stand below one another in plain text too; columns that nobody
// has a figure for are left out.
std::string Table(const std::vector<Findings>& findings);

// Of every picture that was judged a line: subject, prompt, thing asked for, thing seen, how many things look
// likelier than the one asked for, colour asked for, colour seen; parted by tabs, below a line of these
// names.
std::string VerdictLines(const std::vector<Findings>& findings);

}  // namespace mind::evaluation

#endif  // MIND_WORKER_EVALUATION_FINDINGS_H_
