#include "worker/diffusion/engine/answers.h"

#include <utility>

#include "worker/diffusion/pipelines/picture_scorer.h"

namespace mind::diffusion {

std::vector<Answer> AnswersOf(const Batch& batch, const std::vector<RowResult>& rows) {
  std::vector<Answer> answers;
  auto row = rows.begin();
  for (const std::shared_ptr<Trajectory>& t : batch) {
    Answer& answer = answers.emplace_back();
    std::vector<at::Tensor> outputs;
    for (size_t left = t->rows(); left > 0; --left, ++row) {
      outputs.push_back(row->output);
      if (row->error) answer.error = row->error;
    }
    if (answer.error) continue;
    try {
      answer.output = Guide(t->conditioning, outputs, t->evaluator.timestep(), t->guidance,
                            t->conditioning.PerturbedAt(t->call()));
    } catch (...) {
      answer.error = std::current_exception();
    }
  }
  return answers;
}

Led LeadAnswers(const Batch& batch, RowRunner& runner, size_t at_once, std::vector<Answer>& answers) {
  std::vector<EvaluationRow> rows;
  std::vector<size_t> places;
  for (size_t i = 0; i < batch.size(); ++i) {
    const auto& [scorer, scale, target] = batch[i]->conditioning.scoring;
    if (scorer == nullptr || answers[i].error) continue;
    const Evaluator& evaluator = batch[i]->evaluator;
    try {
      rows.push_back({.sample = scorer->Seen(evaluator.input(), evaluator.timestep(), answers[i].output),
                      .timestep = evaluator.timestep(),
                      .told = target,
                      .adapters = {},
                      .wraps = batch[i]->request.tiling});
      places.push_back(i);
    } catch (...) {
      answers[i].error = std::current_exception();
    }
  }
  if (rows.empty()) return {};
  // One, as they are of one model.
  const PictureScorer& scorer = *batch[places.front()]->conditioning.scoring.scorer;
  const auto [gradients, fits] = runner.Run(scorer.network(), rows, at_once);
  Led led{.rows = rows.size(), .clean = !fits};
  for (size_t row = 0; row < rows.size(); ++row) {
    Answer& answer = answers[places[row]];
    answer.error = gradients[row].error;
    led.clean = led.clean && !answer.error;
    if (answer.error) continue;
    const Trajectory& t = *batch[places[row]];
    const at::Tensor lead =
        scorer.ByX(rows[row].timestep, gradients[row].output) * t.conditioning.scoring.scale;
    if (t.sampler().shifts_mean()) {
      answer.lead = lead;
    } else {
      answer.output = scorer.Moved(answer.output, rows[row].timestep, lead);
    }
  }
  return led;
}

}  // namespace mind::diffusion
