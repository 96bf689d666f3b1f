/* steps STEP ARG... STEP ARG...: the steps that all tests use. */
#include "steps.h"

const struct step table[] = {COMMON_STEPS, {0}};
