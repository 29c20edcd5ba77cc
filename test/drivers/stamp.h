/* Puts the hash of the source into the image, so that the suite sees an image that is not of the present source. */
static const char KtestSource[] __attribute__((used)) = "KTEST-SOURCE:" KTEST_SOURCE;
