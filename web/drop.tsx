import { useEffect, useState } from 'preact/hooks';

/** Takes a dropped .sys file, anywhere on the page. */
export function DropTarget({ onDrop }: { onDrop(name: string, bytes: Uint8Array): void }) {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const enter = (event: DragEvent): void => {
      event.preventDefault();
      setOver(true);
    };
    const leave = (event: DragEvent): void => {
      if (event.relatedTarget === null) setOver(false);
    };
    const drop = async (event: DragEvent): Promise<void> => {
      event.preventDefault();
      setOver(false);
      for (const file of event.dataTransfer?.files ?? []) onDrop(file.name, new Uint8Array(await file.arrayBuffer()));
    };
    const onDropEvent = (event: DragEvent): void => void drop(event);
    window.addEventListener('dragover', enter);
    window.addEventListener('dragleave', leave);
    window.addEventListener('drop', onDropEvent);
    return () => {
      window.removeEventListener('dragover', enter);
      window.removeEventListener('dragleave', leave);
      window.removeEventListener('drop', onDropEvent);
    };
  }, []);
  return over ? <div class="drop">Drop the driver (.sys) to load it</div> : null;
}
