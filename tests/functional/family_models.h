// The models that tests of every family run with.
#ifndef MIND_TESTS_FUNCTIONAL_FAMILY_MODELS_H_
#define MIND_TESTS_FUNCTIONAL_FAMILY_MODELS_H_

#include <string>

#include "tests/support/model_folder.h"

namespace mind::testing {

// Puts one into the folder by its name in families_test.cc, with what it is made of.
void AddFamily(support::ModelFolder& folder, const std::string& model);

}  // namespace mind::testing

#endif  // MIND_TESTS_FUNCTIONAL_FAMILY_MODELS_H_
