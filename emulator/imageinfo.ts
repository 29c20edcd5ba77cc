/** What a driver's file is, and how much of what it imports exists here. Plain data, JSON as it stands. */
export interface ImageDescription {
  file: string;
  /** Preferred address, 0x-hex. */
  imageBase: string;
  entry: number;
  sizeOfImage: number;
  sectionAlignment: number;
  relocations: number;
  sections: { name: string; rva: number; size: number; access: string; discardable: boolean }[];
  imports: { module: string; routines: { name: string; status: 'full' | 'partial' | null }[] }[];
}
