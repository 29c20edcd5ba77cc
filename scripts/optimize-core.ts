import binaryen from 'assemblyscript/binaryen';

// Optimizes the core's WebAssembly. The compiler's own -O3 takes three times as long for a twentieth more speed: nearly all of the time goes into the
// one big function, whose thousands of locals its repeated passes handle badly. The engine that runs the code does its own data-flow optimization; what it
// needs from here is inlining and compact code.

/** Passes in order. The first ones make functions small enough to be judged for inlining. */
const passes = [
  'remove-unused-module-elements',
  'inlining',
  'vacuum',
  'remove-unused-brs',
  'remove-unused-names',
  'merge-blocks',
  'precompute-propagate',
  'simplify-locals-nostructure',
  'vacuum',
  'optimize-instructions',
  'dce',
  'inlining',
  'precompute-propagate',
  'pick-load-signs',
  'simplify-locals',
  'vacuum',
  'local-cse',
  'reorder-locals',
  'coalesce-locals',
  'simplify-locals',
  'coalesce-locals',
  'reorder-locals',
  'vacuum',
  'rse',
  'vacuum',
  'remove-unused-brs',
  'remove-unused-names',
  'merge-blocks',
  'optimize-instructions',
  'inlining-optimizing',
  'vacuum',
  'duplicate-function-elimination',
  'memory-packing',
  'remove-unused-module-elements',
];

/** The optimized module for `wasm`, with function names if `names`. */
export function optimizeCore(wasm: Uint8Array, names: boolean): Uint8Array {
  const module = binaryen.readBinary(wasm);
  module.setFeatures(binaryen.Features.All);
  binaryen.setOptimizeLevel(3);
  binaryen.setShrinkLevel(0);
  binaryen.setDebugInfo(names);
  // NaNs and signed zeros are handled by integer code (sem/softfloat.ts), but nothing may rest on that here.
  binaryen.setFastMath(false);
  binaryen.setAlwaysInlineMaxSize(12);
  binaryen.setFlexibleInlineMaxSize(70);
  binaryen.setOneCallerInlineMaxSize(200);
  binaryen.setAllowInliningFunctionsWithLoops(true);
  // Functions that start with an early return are split, so that their test is inlined.
  binaryen.setPassArgument('partial-inlining-ifs', '4');
  module.runPasses(passes);
  if (!module.validate()) throw new Error('the optimized core is not valid WebAssembly');
  const binary = module.emitBinary();
  module.dispose();
  return binary;
}
